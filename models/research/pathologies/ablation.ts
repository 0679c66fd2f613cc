import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { NamedTensorMap } from '@tensorflow/tfjs-core';
import {
  type CalibrationStats,
  describeGraph,
  evaluateLinears,
  type LinearOptions,
  rewriteGraphAsync,
} from '../../../src/index.js';
import { linearSqnr } from './linearSqnr.js';

/** Bits of weights and activations. */
export const BITS = [
  { weights: 8, activations: 8 },
  { weights: 4, activations: 8 },
  { weights: 4, activations: 4 },
  { weights: 3, activations: 3 },
] as const;

/** As columns of a table: W8A8 and so on. */
export const BITS_NAMES = BITS.map(({ weights, activations }) => `W${weights}A${activations}`);

/** A row of the ablation. */
interface MethodRow {
  readonly name: string;
  readonly options: LinearOptions;
  /** By which weights a sample's mean is multiplied; 'stored': by what the plugin stores for it. */
  readonly mean: 'none' | 'original' | 'stored';
}

/** Each part by name: by default a site is centered only where that measures better. */
const WHOLE = { method: 'hadanorm', center: 'dynamic', rotate: true, signs: false } as const;

/** Part by part from rounding to nearest to HadaNorm; then HadaNorm as it is stored. */
export const METHOD_ROWS: readonly MethodRow[] = [
  { name: 'rtn', options: { method: 'rtn' }, mean: 'none' },
  { name: 'smoothquant (α = ½)', options: { method: 'smoothquant', alpha: 0.5 }, mean: 'none' },
  { name: 'hadamard (QuaRot)', options: { method: 'hadamard', signs: false }, mean: 'none' },
  { name: 'centered only', options: { method: 'centered', meanRank: 0 }, mean: 'original' },
  { name: 'hadamard + centered', ...centered({ ...WHOLE, scale: 'none' }) },
  { name: 'HadaNorm, σ = std', ...centered({ ...WHOLE, scale: 'std' }) },
  { name: 'HadaNorm, σ balanced', ...centered({ ...WHOLE, scale: 'balanced' }) },
  {
    name: 'HadaNorm, σ balanced, mean of rank 8',
    options: { ...WHOLE, meanRank: 8 },
    mean: 'stored',
  },
];

/**
 * Mean output SQNR of the linears of the blocks in dB: a row for each of `METHOD_ROWS`, a column
 * for each of `BITS`.
 */
export type Ablation = readonly (readonly number[])[];

/** Options of `ablate`. */
export interface AblateOptions {
  readonly signal?: AbortSignal;
  /** Called after every cell of the table. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Quantizes a model with each method at each of `BITS` and measures its linears one by one on
 * held-out batches, through the rewritten graph: activations per token, asymmetric, from least to
 * largest; weights per output channel, symmetric, up to the largest; both rounded to nearest. No
 * random signs, no clipping, no groups, no GPTQ.
 */
export async function ablate(
  model: GraphModel,
  stats: CalibrationStats,
  heldOut: readonly NamedTensorMap[],
  { signal, onProgress }: AblateOptions = {},
): Promise<Ablation> {
  const rows: number[][] = [];
  const total = METHOD_ROWS.length * BITS.length;
  let done = 0;
  for (const method of METHOD_ROWS) {
    const cells: number[] = [];
    for (const bits of BITS) {
      const all = await outputs(model, stats, heldOut, method, bits, signal);
      cells.push(all.reduce((sum, output) => sum + output, 0) / all.length);
      onProgress?.(++done, total);
    }
    rows.push(cells);
  }
  return rows;
}

/** Output SQNR of every linear of the blocks, dB. */
async function outputs(
  model: GraphModel,
  stats: CalibrationStats,
  heldOut: readonly NamedTensorMap[],
  { options, mean }: MethodRow,
  { weights: bits, activations }: (typeof BITS)[number],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const abort = signal === undefined ? {} : { signal };
  const { model: small, report } = await rewriteGraphAsync(model, {
    ...options,
    ...abort,
    stats,
    weights: { bits, granularity: 'perChannel', clipping: 'none', rounding: 'nearest' },
    activations: { bits: activations, granularity: 'perToken' },
    weightOnly: false,
    compare: false,
    // products of the dequantized codes in float32: outputs that differ by quantization alone
    mode: 'simulate',
    fuse: false,
  });
  try {
    const transformed = report.linears.filter(({ treatment }) => treatment === 'transformed');
    const names = new Set(transformed.map(({ name }) => name));
    if (mean === 'stored') {
      const all = await evaluateLinears(model, small, heldOut, abort);
      return all.filter(({ name }) => names.has(name)).map(({ output }) => output);
    }
    const linears = describeGraph(model).linears.filter(({ name }) => names.has(name));
    const means = mean === 'original' ? stats : null;
    return await linearSqnr(model, small, linears, heldOut, means, signal);
  } finally {
    small.dispose();
  }
}

/** Only the centered tokens meet the rounded weights. */
function centered(options: LinearOptions): Pick<MethodRow, 'options' | 'mean'> {
  return { options: { ...options, meanRank: 0 }, mean: 'original' };
}
