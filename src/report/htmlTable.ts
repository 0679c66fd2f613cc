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

/** Everything that the report says of each linear, and the totals. */
export function linearTable(report: QuantizationReport): Html {
  const methods = otherMethods(report);
  const groups = columnGroups(methods);
  return html`<div class="table" role="region" aria-label="Table of all linears" tabindex="0">
<table>
<thead>
<tr><th scope="col" rowspan="2">linear</th>${groups.map(
    ({ heading, columns }) =>
      html`<th scope="colgroup" colspan="${columns.length}">${heading}</th>`,
  )}</tr>
<tr>${groups.map(({ columns, numbers }) =>
    columns.map((name) => html`<th scope="col"${numbers && NUMBER}>${name}</th>`),
  )}</tr>
</thead>
<tbody>
${report.linears.map((linear) => linearRow(linear, methods))}</tbody>
<tfoot>
${totalRows(report, methods)}</tfoot>
</table>
</div>`;
}

const NUMBER = html` class="number"`;

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
    { heading: 'runs', columns: ['execution', 'reason'], numbers: false },
  ];
}

function linearRow(linear: LinearReport, methods: readonly Method[]): Html {
  const { name, role, shape, rounding, sqnr, compared, bytes, at8Bits, execution, reason } = linear;
  return html`<tr><th scope="row">${printable(name)}</th>${[
    text(role),
    text(shape.join(' → ')),
    text(formatTreatment({ ...linear, rounding: null })),
    text(formatBits(linear)),
    text(rounding ?? NOTHING),
    ...sqnrCells(sqnr, compared, methods, at8Bits?.output),
    ...byteCells(bytes),
    number(at8Bits === null ? NOTHING : formatBytes(at8Bits.bytes)),
    text(execution),
  ]}<td class="reason">${printable(reason)}</td></tr>
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
      blank(3),
    ]}</tr>
`,
    html`<tr><th scope="row">whole model</th>${[
      blank(5 + 4 + methods.length),
      ...byteCells(modelBytes),
      blank(3),
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
