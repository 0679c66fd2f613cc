import type { Sqnr } from '../quantize/measured.js';
import type { Method } from '../quantize/methods.js';
import { formatBytes, formatDb, formatRatio, meanOf, otherMethods } from './format.js';
import type { LinearReport, QuantizationReport } from './report.js';
import { byCentering } from './ways.js';

/** What a row shows, by column. */
export type Row = Readonly<Record<string, string>>;

export interface Column {
  readonly name: string;
  readonly title: string;
  readonly alignment: 'left' | 'right';
}

/** The columns that depend on what the report holds. */
export interface Shown {
  readonly methods: readonly Method[];
  /** Whether a site was measured both centered and not. */
  readonly centering: boolean;
}

export function shownOf(report: QuantizationReport): Shown {
  const centering = report.linears.some((linear) => byCentering(linear) !== null);
  return { methods: otherMethods(report), centering };
}

/** The part of a linear, a role or the model that makes the figures of a row. */
interface Figures {
  readonly sqnr: Sqnr | null;
  readonly compared: Readonly<Partial<Record<Method, Sqnr>>>;
  readonly bytes: LinearReport['bytes'];
}

export function figureColumns({ methods, centering }: Shown): Column[] {
  return [
    right('output', 'output dB'),
    ...methods.map((method) => right(method)),
    ...(centering ? [right('ifCentered', 'if centered'), right('ifNot', 'if not')] : []),
    right('activations', 'acts dB'),
    right('weights', 'weights dB'),
    right('before'),
    right('after'),
    right('ratio'),
  ];
}

export function left(name: string): Column {
  return { name, title: name, alignment: 'left' };
}

export function right(name: string, title = name): Column {
  return { name, title, alignment: 'right' };
}

export function figureCells({ sqnr, compared, bytes }: Figures, { methods }: Shown): Row {
  const others = methods.map((method) => [method, formatDb(compared[method]?.output)]);
  return {
    output: formatDb(sqnr?.output),
    ...Object.fromEntries(others),
    activations: formatDb(sqnr?.activations),
    weights: formatDb(sqnr?.weights),
    ...byteCells(bytes),
  };
}

export function byteCells(bytes: LinearReport['bytes']): Row {
  return {
    before: formatBytes(bytes.before),
    after: formatBytes(bytes.after),
    ratio: formatRatio(bytes),
  };
}

/** What centering was chosen by, where it was measured. */
export function centeringCells(linears: readonly LinearReport[], { centering }: Shown): Row {
  if (!centering) return {};
  const both = linears.flatMap((linear) => byCentering(linear) ?? []);
  return {
    ifCentered: formatDb(meanOf(both.map(({ centered }) => centered))),
    ifNot: formatDb(meanOf(both.map(({ plain }) => plain))),
  };
}
