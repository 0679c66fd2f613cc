import { Table } from 'console-table-printer';
import { checkInteger, checkOptions } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { Role } from '../recognize/role.js';
import { formatBits, formatTreatment, groupByRole, printable, shortenName } from './format.js';
import type { LinearReport, QuantizationReport } from './report.js';
import { reportGiven } from './reportReader.js';
import {
  byteCells,
  type Column,
  centeringCells,
  figureCells,
  figureColumns,
  left,
  type Row,
  right,
  type Shown,
  shownOf,
} from './tableFigures.js';
import { tableLines } from './tables.js';
import { meanSqnr } from './totals.js';

export interface ReportTableOptions {
  /** What a row is: one linear, or all linears of a role with the means of their dB. */
  readonly by?: 'linear' | 'role';
  /** Longer names lose segments from their middle. */
  readonly nameWidth?: number;
}

export const REPORT_TABLE_DEFAULTS = {
  by: 'linear',
  nameWidth: 40,
} as const satisfies ReportTableOptions;

/**
 * A quantization report as a table for the console: a row for each linear or role, then the totals.
 * Decibels of the output stand under the method that made them; `–` is a value that there is none
 * of, `∞` dB a linear that lost nothing. Tables of embeddings stand below, and the report's notes,
 * each after a `!`.
 *
 * @throws InvalidArgumentError for what is no report, and an option that there is none of.
 *
 * @example
 * ```ts
 * import { reportTable, type QuantizationReport } from 'tfjs-hadanorm/report';
 *
 * const report: QuantizationReport = {
 *   version: 1,
 *   method: 'hadanorm',
 *   linears: [],
 *   totals: {
 *     sqnr: null,
 *     compared: {},
 *     linearBytes: { before: 0, after: 0 },
 *     modelBytes: { before: 4_000_000, after: 4_000_000 },
 *   },
 * };
 * console.log(reportTable(report, { by: 'role' }));
 * ```
 */
export function reportTable(report: QuantizationReport, options: ReportTableOptions = {}): string {
  const read = reportGiven('reportTable', report);
  const { by, nameWidth } = withDefaults(options);
  const shown = shownOf(read);
  if (by === 'role') {
    const roles = [...groupByRole(read.linears)];
    const rows = roles.map(([role, linears]) => roleRow(role, linears, shown));
    const totals = totalRows(read, shown, (label, linears) => ({ role: label, linears }));
    return render(roleColumns(shown), rows, totals) + notesBelow(read);
  }
  const rows = read.linears.map((linear) => linearRow(linear, shown, nameWidth));
  const totals = totalRows(read, shown, (label) => ({ linear: label }));
  return render(linearColumns(shown), rows, totals) + notesBelow(read);
}

function notesBelow(report: QuantizationReport): string {
  const { notes = [] } = report;
  const tables = tableLines(report).map((line) => `\n${line}`);
  return [...tables, ...notes.map((note) => `\n! ${printable(note)}`)].join('');
}

function withDefaults(options: ReportTableOptions): Required<ReportTableOptions> {
  checkOptions('reportTable', options, Object.keys(REPORT_TABLE_DEFAULTS));
  const { by = REPORT_TABLE_DEFAULTS.by, nameWidth = REPORT_TABLE_DEFAULTS.nameWidth } = options;
  if (by !== 'linear' && by !== 'role') {
    throw new InvalidArgumentError('reportTable', 'options.by', '"linear" or "role"', describe(by));
  }
  checkInteger('reportTable', 'options.nameWidth', nameWidth, 8);
  return { by, nameWidth };
}

function linearRow(linear: LinearReport, shown: Shown, nameWidth: number): Row {
  return {
    linear: shortenName(printable(linear.name), nameWidth),
    role: linear.role,
    'd→n': linear.shape.join('→'),
    method: formatTreatment(linear),
    bits: formatBits(linear),
    ...figureCells(linear, shown),
    ...centeringCells([linear], shown),
  };
}

function roleRow(role: Role, linears: readonly LinearReport[], shown: Shown): Row {
  const total = (when: 'before' | 'after') =>
    linears.reduce((sum, { bytes }) => sum + bytes[when], 0);
  const compared = shown.methods.map((method) => [
    method,
    meanSqnr(linears.map((linear) => linear.compared[method] ?? null)),
  ]);
  return {
    role,
    linears: String(linears.length),
    ...figureCells(
      {
        sqnr: meanSqnr(linears.map(({ sqnr }) => sqnr)),
        compared: Object.fromEntries(compared.filter(([, sqnr]) => sqnr !== null)),
        bytes: { before: total('before'), after: total('after') },
      },
      shown,
    ),
    ...centeringCells(linears, shown),
  };
}

function totalRows(
  { linears, totals }: QuantizationReport,
  shown: Shown,
  labelled: (label: string, linears: string) => Row,
): Row[] {
  const { sqnr, compared, linearBytes, modelBytes } = totals;
  const figures = {
    ...figureCells({ sqnr, compared, bytes: linearBytes }, shown),
    ...centeringCells(linears, shown),
  };
  const count = linears.length;
  return [
    { ...labelled(count === 1 ? '1 linear' : `all ${count} linears`, `${count}`), ...figures },
    { ...labelled('whole model', ''), ...byteCells(modelBytes) },
  ];
}

function linearColumns(shown: Shown): Column[] {
  const names = [left('linear'), left('role'), right('d→n'), left('method'), left('bits')];
  return [...names, ...figureColumns(shown)];
}

function roleColumns(shown: Shown): Column[] {
  return [left('role'), right('linears'), ...figureColumns(shown)];
}

function render(columns: Column[], rows: readonly Row[], totals: readonly Row[]): string {
  const table = new Table({ columns, shouldDisableColors: true });
  rows.forEach((row, i) => {
    table.addRow(row, { separator: i === rows.length - 1 });
  });
  for (const row of totals) table.addRow(row);
  return table.render();
}
