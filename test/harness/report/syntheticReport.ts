import type { Histogram, Sqnr } from '../../../src/quantize/measured.js';
import type { Method } from '../../../src/quantize/methods.js';
import type { Role } from '../../../src/recognize/role.js';
import { METHODS } from '../../../src/report/format.js';
import type { LinearReport, QuantizationReport } from '../../../src/report/report.js';
import { meanSqnr } from '../../../src/report/totals.js';
import { uniform } from '../numbers/random.js';

export interface SyntheticReportOptions {
  /** Blocks of four linears each: 7 of a small DiT, 28 of DiT-XL/2. */
  readonly blocks: number;
  readonly calibrated?: boolean;
  /** The methods that each linear is compared with. */
  readonly compared?: readonly Method[];
  readonly timesteps?: readonly number[];
}

const WIDTH = 1152;
const BLOCK: readonly (readonly [Role, string, number, number])[] = [
  ['attention.qkv', 'attention/qkv/MatMul', WIDTH, 3 * WIDTH],
  ['attention.out', 'attention/proj/MatMul', WIDTH, WIDTH],
  ['mlp.in', 'mlp/fc1/MatMul', WIDTH, 4 * WIDTH],
  ['mlp.out', 'mlp/fc2/MatMul', 4 * WIDTH, WIDTH],
];
/** Decibels that a method loses against HadaNorm here. */
const LOSS: Readonly<Record<Method, number>> = {
  hadanorm: 0,
  centered: 2.5,
  hadamard: 4.5,
  smoothquant: 6,
  rtn: 10,
};

/**
 * A seeded report of a DiT with its blocks' linears in W4A4, and embedding and final layer left
 * out.
 */
export function syntheticReport(options: SyntheticReportOptions): QuantizationReport {
  const next = uniform(options.blocks);
  const linears = [
    plainLinear('dit/embed/Conv2D', 'embedding', 16, WIDTH, 'untouched'),
    ...Array.from({ length: options.blocks }, (_, block) =>
      BLOCK.map(([role, path, d, n]) =>
        blockLinear(`dit/blocks/${block}/${path}`, role, [d, n], options, next),
      ),
    ).flat(),
    plainLinear('dit/blocks/0/modulation/MatMul', 'modulation', WIDTH, 6 * WIDTH, 'weightOnly'),
    plainLinear('dit/final/linear/MatMul', 'final', WIDTH, 32, 'untouched'),
  ];
  return { version: 1, method: 'hadanorm', linears, totals: totalsOf(linears) };
}

/** The report with other linears, and their totals. */
export function withLinears(
  report: QuantizationReport,
  linears: readonly LinearReport[],
): QuantizationReport {
  return { ...report, linears, totals: totalsOf(linears) };
}

/**
 * The totals that `rewriteGraph` would give for these linears, in a model with 1 MB of other
 * weights.
 */
function totalsOf(linears: readonly LinearReport[]): QuantizationReport['totals'] {
  const sum = (when: 'before' | 'after') =>
    linears.reduce((total, { bytes }) => total + bytes[when], 0);
  const linearBytes = { before: sum('before'), after: sum('after') };
  const compared = METHODS.map((method) => [
    method,
    meanSqnr(linears.map((linear) => linear.compared[method] ?? null)),
  ]);
  return {
    sqnr: meanSqnr(linears.map(({ sqnr }) => sqnr)),
    compared: Object.fromEntries(compared.filter(([, sqnr]) => sqnr !== null)),
    linearBytes,
    modelBytes: { before: linearBytes.before + 1e6, after: linearBytes.after + 1e6 },
  };
}

function blockLinear(
  name: string,
  role: Role,
  shape: readonly [number, number],
  { calibrated = true, compared = METHODS, timesteps = [] }: SyntheticReportOptions,
  next: () => number,
): LinearReport {
  const count = shape[0] * shape[1];
  const bytes = { before: 4 * count, after: count / 2 + 4 * (shape[0] + shape[1]) };
  const output = 16 + 8 * next() - (role === 'mlp.out' ? 3 : 0);
  const comparisons = compared.map((method) => [method, sqnrOf(output - LOSS[method] * next())]);
  return {
    name,
    role,
    shape,
    treatment: 'transformed',
    method: 'hadanorm',
    weightBits: 4,
    activationBits: 4,
    rounding: 'nearest',
    execution: 'integer',
    reason: 'integer kernels hold its shape',
    bytes,
    sqnr: calibrated ? sqnrOf(output) : null,
    compared: calibrated ? Object.fromEntries(comparisons) : {},
    at8Bits: calibrated ? { output: output + 24, bytes: bytes.after + count / 2 } : null,
    byTimestep: timesteps.map((timestep) => ({
      timestep,
      output: output + (4 * timestep) / 1000 - 2 + next(),
    })),
    channels: calibrated ? channelsOf(shape[0], next) : null,
  };
}

function plainLinear(
  name: string,
  role: Role,
  d: number,
  n: number,
  treatment: 'weightOnly' | 'untouched',
): LinearReport {
  const weights = treatment === 'weightOnly';
  return {
    name,
    role,
    shape: [d, n],
    treatment,
    method: null,
    weightBits: weights ? 8 : null,
    activationBits: null,
    rounding: weights ? 'nearest' : null,
    execution: 'float',
    reason: weights ? 'its input is one row per sample' : 'excluded by default',
    bytes: { before: 4 * d * n, after: weights ? d * n + 4 * n : 4 * d * n },
    sqnr: null,
    compared: {},
    at8Bits: null,
    byTimestep: [],
    channels: null,
  };
}

function channelsOf(d: number, next: () => number): NonNullable<LinearReport['channels']> {
  const outlier = 10 + 60 * next();
  const before = Array.from({ length: d }, () => 1 + 4 * next() ** 3);
  for (let i = 0; i < 5; i++) before[i] = outlier * (0.3 + 0.7 * next());
  const after = before.map(() => 2 + 1.5 * next());
  return { before: histogramOf(before), after: histogramOf(after) };
}

function histogramOf(values: readonly number[]): Histogram {
  const top = Math.max(...values);
  const bins = 32;
  const edges = Array.from({ length: bins + 1 }, (_, i) => (top * i) / bins);
  const counts = edges.slice(1).map(() => 0);
  for (const value of values) {
    counts[Math.min(bins - 1, Math.floor((value / top) * bins))]! += 1;
  }
  return { edges, counts };
}

function sqnrOf(output: number): Sqnr {
  return { output, activations: output + 2.5, weights: output + 4 };
}
