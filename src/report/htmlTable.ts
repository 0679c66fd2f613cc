import { comparable } from '../math/decibels.js';
import type { Sqnr } from '../quantize/measured.js';
import type { Method } from '../quantize/methods.js';
import {
  formatBits,
  formatBytes,
  formatDb,
  formatRatio,
  formatTreatment,
  METHOD_NAMES,
  NOTHING,
  otherMethods,
  printable,
} from './format.js';
import { type Html, html } from './htmlTemplate.js';
import type { LinearReport, QuantizationReport } from './report.js';

/** Columns with a heading of their own above them. */
interface ColumnGroup {
  readonly heading: string;
  readonly columns: readonly string[];
  readonly numbers: boolean;
}

/**
 * Everything that the report says of each linear, the worst output first, and the totals; reasons,
 * which many linears share, are footnotes.
 */
export function linearTable(report: QuantizationReport): Html {
  const methods = otherMethods(report);
  const linears = worstFirst(report.linears);
  const reasons = [...new Set(linears.map(({ reason }) => reason).filter((text) => text !== ''))];
  const groups = columnGroups(methods);
  return html`<div class="table" role="region" aria-label="Table of all linears" tabindex="0">
<table class="sortable">
<thead>
<tr><th scope="col" rowspan="2">linear</th>${groups.map(
    ({ heading, columns }) =>
      html`<th scope="colgroup" colspan="${columns.length}">${heading}</th>`,
  )}</tr>
<tr>${groups.map(({ columns, numbers }) =>
    columns.map((name) => html`<th scope="col"${numbers && NUMBER}>${breakable(name)}</th>`),
  )}</tr>
</thead>
<tbody>
${linears.map((linear) => linearRow(linear, methods, reasons))}</tbody>
<tfoot>
${totalRows(report, methods)}</tfoot>
</table>
</div>${footnotes(reasons)}`;
}

/** By the output's decibels; linears without any come last, in the model's order. */
function worstFirst(linears: readonly LinearReport[]): LinearReport[] {
  const last = Number.POSITIVE_INFINITY;
  const output = ({ sqnr }: LinearReport) => (sqnr === null ? last : comparable(sqnr.output));
  // not by their difference: infinite ones have none
  return linears.toSorted((a, b) => Number(output(a) > output(b)) - Number(output(a) < output(b)));
}

function footnotes(reasons: readonly string[]): Html {
  if (reasons.length === 0) return html``;
  return html`
<ol class="reasons" aria-label="Why linears run as they do">${reasons.map(
    (reason) => html`<li>${printable(reason)}</li>`,
  )}</ol>`;
}

/** How a linear runs, with the mark of the reason, which says it where one points at it. */
function executionCell({ execution, reason }: LinearReport, reasons: readonly string[]): Html {
  const note = reasons.indexOf(reason) + 1;
  if (note === 0) return text(execution);
  return html`<td>${execution} <sup title="${printable(reason)}">${note}</sup></td>`;
}

const NUMBER = html` class="number"`;

/** A heading that breaks where its column is narrower. */
function breakable(name: string): string {
  const parts = [
    'Smooth|Quant',
    'Hada|mard',
    'Cen|tered',
    'acti|vations',
    'quan|tized',
    'round|ing',
  ];
  return [...parts, 'treat|ment', 'exe|cution'].reduce(
    (text, part) => text.replace(part.replace('|', ''), part.replace('|', '\u00ad')),
    name,
  );
}

function columnGroups(methods: readonly Method[]): ColumnGroup[] {
  const others = methods.map((method) => METHOD_NAMES[method]);
  return [
    { heading: 'layer', columns: ['role', 'd → n'], numbers: false },
    { heading: 'quantized', columns: ['treatment', 'bits', 'rounding'], numbers: false },
    {
      heading: 'output SQNR (dB)',
      columns: ['as quantized', ...others, 'at 8 bits'],
      numbers: true,
    },
    { heading: 'input SQNR (dB)', columns: ['activations', 'weights'], numbers: true },
    { heading: 'bytes', columns: ['before', 'after', 'ratio', 'at 8 bits'], numbers: true },
    { heading: 'runs', columns: ['execution'], numbers: false },
  ];
}

function linearRow(
  linear: LinearReport,
  methods: readonly Method[],
  reasons: readonly string[],
): Html {
  const { name, role, shape, rounding, sqnr, compared, bytes, at8Bits } = linear;
  return html`<tr><th scope="row">${printable(name)}</th>${[
    text(role),
    text(shape.join(' →\u00a0')),
    text(formatTreatment({ ...linear, rounding: null })),
    text(formatBits(linear)),
    text(rounding ?? NOTHING),
    ...sqnrCells(sqnr, compared, methods, at8Bits?.output),
    ...byteCells(bytes),
    number(at8Bits === null ? NOTHING : formatBytes(at8Bits.bytes)),
    executionCell(linear, reasons),
  ]}</tr>
`;
}

function totalRows({ linears, totals }: QuantizationReport, methods: readonly Method[]): Html[] {
  const { sqnr, compared, linearBytes, modelBytes } = totals;
  const blank = (count: number) => html`<td colspan="${count}"></td>`;
  return [
    html`<tr><th scope="row">all linears (${linears.length})</th>${[
      blank(5),
      ...sqnrCells(sqnr, compared, methods, null),
      ...byteCells(linearBytes),
      blank(2),
    ]}</tr>
`,
    html`<tr><th scope="row">whole model</th>${[
      blank(5 + 4 + methods.length),
      ...byteCells(modelBytes),
      blank(2),
    ]}</tr>
`,
  ];
}

function sqnrCells(
  sqnr: Sqnr | null,
  compared: LinearReport['compared'],
  methods: readonly Method[],
  at8Bits: number | null | undefined,
): Html[] {
  const others = methods.map((method) => compared[method]?.output);
  const all = [sqnr?.output, ...others, at8Bits, sqnr?.activations, sqnr?.weights];
  return all.map((value) => number(formatDb(value)));
}

function byteCells(bytes: LinearReport['bytes']): Html[] {
  return [formatBytes(bytes.before), formatBytes(bytes.after), formatRatio(bytes)].map(number);
}

function text(value: string): Html {
  return html`<td>${value}</td>`;
}

function number(value: string): Html {
  return html`<td class="number">${value}</td>`;
}
