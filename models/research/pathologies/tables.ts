import CliTable from 'cli-table3';
import type { TextTable } from '../../../src/cli/textTable.js';
import { type Ablation, BITS_NAMES, METHOD_ROWS } from './ablation.js';
import type { KnownAblation } from './firstRound.js';
import { KINDS, type LayerStatistics, type ModelStatistics, type OverTime } from './observe.js';
import type { ActivationStatistics, MagnitudeRange } from './statistics.js';

/** The statistics, by what they are called and how they are written. */
export const STATISTICS = [
  ['|μ| / σ', 'meanToStd', (v: number) => v.toFixed(2)],
  ['mean’s share of the energy', 'meanEnergy', (v: number) => `${(100 * v).toFixed(0)} %`],
  ['channel ratio', 'channelRatio', (v: number) => v.toFixed(1)],
  ['kurtosis', 'kurtosis', (v: number) => v.toPrecision(3)],
] as const satisfies readonly (readonly [
  string,
  keyof ActivationStatistics,
  (v: number) => string,
])[];

type Statistic = (typeof STATISTICS)[number];

/** One statistic of every layer, by time. */
export function layersByTime(
  { layers }: ModelStatistics,
  [title, key, write]: Statistic,
): TextTable {
  return byTime(
    title,
    layers.map((layer) => [layer.name, layer]),
    (value) => write(value[key]),
  );
}

/** Every statistic of every layer, over all times. */
export function layersOverall({ layers }: ModelStatistics): TextTable {
  return {
    head: ['layer', ...STATISTICS.map(([title]) => title)],
    rows: layers.map(({ name, all }) => [
      name,
      ...STATISTICS.map(([, key, write]) => write(all[key])),
    ]),
  };
}

/** Every statistic by kind of layer and time: means over the blocks. */
export function kindsByTime({ layers }: ModelStatistics): TextTable {
  const rows = STATISTICS.flatMap(([title, key, write]) =>
    Object.values(KINDS).map((kind) => {
      const blocks = layers.filter((layer) => layer.kind === kind);
      const meanOf = (read: (layer: LayerStatistics) => ActivationStatistics) =>
        write(blocks.reduce((sum, layer) => sum + read(layer)[key], 0) / blocks.length);
      const times = blocks[0]!.byTime.map((_, i) => meanOf((layer) => layer.byTime[i]![1]));
      return [`${title}, ${kind}`, ...times, meanOf(({ all }) => all)];
    }),
  );
  return { head: ['mean over the blocks', ...timesOf(layers[0]!), 'all'], rows };
}

/** Least, median and largest |1 + scale| of every modulation, by time. */
export function scalesByTime({ scales }: ModelStatistics): TextTable {
  return byTime(
    'adaLN |1 + scale|: least, median, largest',
    scales.map((scale) => [scale.name, scale]),
    ({ least, median, largest }: MagnitudeRange) =>
      [least, median, largest].map((v) => v.toFixed(2)).join(', '),
  );
}

/** Two models side by side: every statistic by kind, the largest |1 + scale| over the median. */
export function beforeAfter(before: ModelStatistics, after: ModelStatistics): TextTable {
  const [first, second] = [kindsByTime(before), kindsByTime(after)];
  const ratio = ({ scales }: ModelStatistics, norm: string) => {
    const own = scales.filter(({ name }) => name.endsWith(norm));
    const sum = own.reduce((total, { all }) => total + all.largest / all.median, 0);
    return (sum / own.length).toFixed(1);
  };
  return {
    head: ['mean over the blocks, all times', 'before', 'after'],
    rows: [
      ...first.rows.map((row, i) => [row[0]!, row.at(-1)!, second.rows[i]!.at(-1)!]),
      ...['norm1', 'norm2'].map((norm) => [
        `adaLN largest over median |1 + scale|, ${norm}`,
        ratio(before, norm),
        ratio(after, norm),
      ]),
    ],
  };
}

/** The ablation; with another one, what that one gives and by how much ours is above it. */
export function ablationTable(ours: Ablation, theirs?: KnownAblation): TextTable {
  const cell = (value: number, i: number, j: number) => {
    const other = theirs?.[i]?.[j];
    if (other === undefined || other === null) return value.toFixed(1);
    const off = value - other;
    const difference = `${off < 0 ? '−' : '+'}${Math.abs(off).toFixed(2)}`;
    return `${value.toFixed(1)} (${other.toFixed(1)}, ${difference})`;
  };
  return {
    head: ['output SQNR, dB', ...BITS_NAMES],
    rows: ours.map((cells, i) => [
      METHOD_ROWS[i]!.name,
      ...cells.map((value, j) => cell(value, i, j)),
    ]),
  };
}

/** For a console. */
export function consoleTable({ head, rows }: TextTable): string {
  const table = new CliTable({
    head: [...head],
    colAligns: head.map((_, i) => (i === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((cells) => [...cells]));
  return table.toString();
}

function byTime<T>(
  title: string,
  measured: readonly (readonly [name: string, values: OverTime<T>])[],
  write: (value: T) => string,
): TextTable {
  return {
    head: [title, ...timesOf(measured[0]![1]), 'all'],
    rows: measured.map(([name, { byTime: values, all }]) => [
      name,
      ...values.map(([, value]) => write(value)),
      write(all),
    ]),
  };
}

function timesOf({ byTime: values }: OverTime<unknown>): string[] {
  return values.map(([time]) => `t = ${time}`);
}
