import { comparable } from '../math/decibels.js';
import {
  formatBytes,
  formatDb,
  formatRatio,
  METHOD_NAMES,
  NOTHING,
  otherMethods,
  printable,
} from './format.js';
import { type Html, html } from './htmlTemplate.js';
import type { LinearReport, QuantizationReport } from './report.js';

const UNCALIBRATED = 'without calibration data';

interface Headline {
  readonly label: string;
  readonly figure: string;
  readonly note: string;
}

/** The figures that a reader wants first. */
export function headlines(report: QuantizationReport): Html {
  const all = [modelSize(report), meanOutput(report), worstOutput(report), treated(report)];
  return html`<dl class="cards">
${all.map(card)}</dl>`;
}

function card({ label, figure, note }: Headline): Html {
  const values = html`<dd class="figure">${figure}</dd><dd class="note">${note}</dd>`;
  return html`<div><dt>${label}</dt>${values}</div>
`;
}

function modelSize({ totals: { modelBytes, linearBytes } }: QuantizationReport): Headline {
  const [before, after] = [modelBytes.before, modelBytes.after].map(formatBytes);
  return {
    label: 'Model size',
    figure: `${formatRatio(modelBytes)} smaller`,
    note: `${before} → ${after}; linears alone ${formatRatio(linearBytes)}`,
  };
}

function meanOutput(report: QuantizationReport): Headline {
  const { sqnr, compared } = report.totals;
  const others = otherMethods(report).flatMap((method) => {
    const output = compared[method]?.output;
    return output === undefined ? [] : [`${METHOD_NAMES[method]} ${formatDb(output)}`];
  });
  return {
    label: 'Mean output SQNR',
    figure: withUnit(sqnr?.output),
    note: sqnr === null ? UNCALIBRATED : others.join(', '),
  };
}

function worstOutput({ linears }: QuantizationReport): Headline {
  const worst = linears.reduce<LinearReport | null>(
    (min, linear) =>
      outputSqnr(linear) < (min === null ? Number.POSITIVE_INFINITY : outputSqnr(min))
        ? linear
        : min,
    null,
  );
  return {
    label: 'Worst linear',
    figure: withUnit(worst?.sqnr?.output),
    note: worst === null ? UNCALIBRATED : printable(worst.name),
  };
}

function treated({ linears }: QuantizationReport): Headline {
  const count = (is: (linear: LinearReport) => boolean) => linears.filter(is).length;
  const weights = count(({ treatment }) => treatment === 'weightOnly');
  const untouched = count(({ treatment }) => treatment === 'untouched');
  const integer = count(({ execution }) => execution === 'integer');
  return {
    label: 'Linears transformed',
    figure: `${linears.length - weights - untouched} of ${linears.length}`,
    note: `${weights} weights only, ${untouched} untouched; ${integer} run on integers`,
  };
}

function outputSqnr({ sqnr }: LinearReport): number {
  return sqnr === null ? Number.POSITIVE_INFINITY : comparable(sqnr.output);
}

function withUnit(decibels: number | undefined): string {
  return decibels === undefined ? NOTHING : `${formatDb(decibels)} dB`;
}
