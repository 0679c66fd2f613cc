import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { transformBlocks } from '../../ops/numerics/fastHadamard.js';
import { halfInRange } from '../../ops/numerics/formats.js';
import { hadamardPlan } from '../../ops/numerics/hadamard.js';
import { roundToHalf } from '../../ops/numerics/half.js';
import { type KeptSample, meanOf, type SiteStats } from '../calibrate/siteStats.js';
import { affine } from '../graph/encodings.js';
import { leadingRightVectors } from '../math/lowRank.js';
import { matmul, transpose } from '../math/matrix.js';
import { type Branch, passing, projected } from './branch.js';
import { channelScale, randomSigns, withSigns } from './channelScale.js';
import type { Parts } from './methods.js';
import { rotatedColumns } from './rotatedColumns.js';

/** A method's parts, all decided. */
export type FixedParts = Parts & {
  readonly center: Exclude<Parts['center'], 'auto'>;
  readonly rotate: boolean;
};

/**
 * What is done to a tensor before it is quantized: x' = ((x − μ) / σ) R, and to the weights that
 * meet it: W' = Rᵀ diag(σ) W. Its numbers are rounded as they will be stored, and everything else
 * follows from the rounded ones. hadanorm.ts says it all plainly; here are its equations (3), (4)
 * and (6) in float32, with the fast rotation in the place of a matrix.
 */
export interface Transform {
  readonly parts: FixedParts;
  readonly d: number;
  /** σ with the random signs, [d]; null for 1. */
  readonly sigma: Float32Array | null;
  /**
   * μ̄, the mean over the calibration data, [d]; null where nothing is centered, or no data was
   * given.
   */
  readonly mean: Float32Array | null;
  /**
   * Orthonormal rows, up to rounding: the directions in which the mean varies most, [r, d]; null
   * for r = 0.
   */
  readonly basis: Float32Array | null;
  readonly rank: number;
  /** 0: no rotation. */
  readonly blockSize: number;
  /** What goes beside the codes; null for nothing. */
  readonly branch: Branch | null;
}

/** What a transform depends on beside its parts. */
export interface TransformOptions {
  /** Channels that one Hadamard matrix mixes; null for all. */
  readonly blockSize: number | null;
  /** Of the random signs. */
  readonly seed: number;
  /** Whether the weights will be rounded by GPTQ. */
  readonly gptq: boolean;
  /** Whether a branch will take the mean along, so that it needs no basis. */
  readonly branched: boolean;
}

/**
 * Makes the transform of a site for the linears that share it.
 *
 * @param matrices Their weights, [d, n] each.
 * @throws InvalidArgumentError where the method needs statistics and there are none.
 */
export function makeTransform(
  op: string,
  parts: FixedParts,
  stats: SiteStats | null,
  matrices: readonly Float32Array[],
  d: number,
  { blockSize, seed, gptq, branched }: TransformOptions,
): Transform {
  needStats(op, parts, stats);
  const block = parts.rotate ? (blockSize ?? d) : 0;
  if (parts.rotate) checkBlock(op, block, d);
  const centered = parts.center !== 'none';
  const scale = channelScale(parts, stats, matrices, d, gptq);
  const signed = withSigns(scale, parts.rotate && parts.signs ? randomSigns(d, seed) : null);
  const sigma = signed === null ? null : asStored(signed);
  const mean = centered && stats !== null ? asStored(meanOf(stats.total)) : null;
  const rank = parts.center === 'dynamic' ? meanRankOf(parts, matrices, d, branched) : 0;
  const bare = { parts, d, sigma, mean, basis: null, rank: 0, blockSize: block, branch: null };
  if (rank === 0) return bare;
  const basis = meanBasis(bare, stats!.kept, rank);
  return { ...bare, basis, rank };
}

/**
 * (x − μ) / σ for rows x [rows, d], of equation (3); `mean` [d] is subtracted from every row, or
 * null.
 */
export function scaled(t: Transform, x: Float32Array, mean: Float32Array | null): Float32Array {
  const { d, sigma } = t;
  const out = new Float32Array(x.length);
  for (let at = 0, c = 0; at < x.length; at++) {
    const shifted = mean === null ? x[at]! : x[at]! - mean[c]!;
    out[at] = sigma === null ? shifted : shifted / sigma[c]!;
    if (++c === d) c = 0;
  }
  return out;
}

/** x R for rows x [rows, d], of equation (3). */
export function rotated(t: Transform, x: Float32Array, back = false): Float32Array {
  if (t.blockSize === 0) return x;
  const out = new Float32Array(x.length);
  transformBlocks(x, out, t.blockSize, back);
  return out;
}

/** W' = Rᵀ diag(σ) W, [d, n]: equation (4). */
export function transformedWeights(t: Transform, w: Float32Array, n: number): Float32Array {
  if (t.blockSize === 0) return scaleRows(w, t.sigma, n);
  const { blockSize, sigma } = t;
  return rotatedColumns(w, n, { blockSize, before: sigma, after: null, back: false });
}

/** What weights W' [d, n] do to the untransformed input: diag(1/σ) R W'. */
export function restoredWeights(t: Transform, w: Float32Array, n: number): Float32Array {
  const inverse = t.sigma === null ? null : t.sigma.map((s) => 1 / s);
  if (t.blockSize === 0) return scaleRows(w, inverse, n);
  const { blockSize } = t;
  return rotatedColumns(w, n, { blockSize, before: null, after: inverse, back: true });
}

/** A sample's mean on its way to the weights. */
export interface SplitMeans {
  readonly coefficients: Float32Array; // in the basis, [samples, rank]
  readonly residual: Float32Array; // what passes the weights, [samples, d]
  readonly along: Float32Array; // what goes through the branch, [samples, rank of it]
}

/** Equations (6) and (8): coefficients in the basis, and the residual, rotated. */
export function splitMeans(t: Transform, means: Float32Array): SplitMeans {
  const { d, basis, rank } = t;
  const rows = means.length / d;
  const off = scaled(t, means, t.mean);
  if (basis === null) return { coefficients: NONE, ...throughBranch(t, rotated(t, off)) };
  const coefficients = matmul(off, transpose(basis, rank, d), rows, d, rank);
  const along = matmul(coefficients, basis, rows, rank, d);
  const residual = off.map((v, i) => v - along[i]!);
  return { coefficients, ...throughBranch(t, rotated(t, residual)) };
}

const NONE = new Float32Array(0);

/** Rotated rows [rows, d] at the branch: what is left to pass the weights, and what goes along. */
export function throughBranch(
  { branch, d }: Pick<Transform, 'branch' | 'd'>,
  rows: Float32Array,
): Pick<SplitMeans, 'residual' | 'along'> {
  if (branch === null) return { residual: rows, along: NONE };
  const along = projected(branch, rows, d);
  return { residual: passing(branch, rows, along, d), along };
}

/** B diag(σ) W, [r, n], of equation (7): what the basis does to the output. */
export function basisProduct(t: Transform, w: Float32Array, n: number): Float32Array {
  return matmul(t.basis!, scaleRows(w, t.sigma, n), t.rank, t.d, n);
}

/**
 * The wider a layer, the more directions its mean moves in, and the less each costs: at this rank
 * the correction takes the same share of the size at every width. On a DiT-XL/2 block 24 directions
 * were worth 0.2 dB more than 8.
 */
function meanRankOf(
  { meanRank }: Parts,
  matrices: readonly Float32Array[],
  d: number,
  branched: boolean,
): number {
  if (meanRank !== 'auto') return Math.min(meanRank, d);
  if (branched) return 0;
  const n = matrices.reduce((sum, { length }) => sum + length / d, 0);
  return Math.min(Math.max(Math.round(Math.min(d, n) / 48), 8), 32, d);
}

function needStats(op: string, parts: Parts, stats: SiteStats | null): void {
  if (stats !== null) return;
  const needs = [
    ...(parts.scale === 'none' ? [] : [`scale '${parts.scale}'`]),
    ...(parts.center === 'static' ? ["center 'static'"] : []),
    ...(parts.center === 'dynamic' && parts.meanRank !== 0 ? [`meanRank ${parts.meanRank}`] : []),
  ];
  if (needs.length === 0) return;
  const without = "use method 'hadamard', or scale 'none' with meanRank 0";
  const wayOut = `Pass stats: await calibrate(model, batches), or ${without}.`;
  throw new InvalidArgumentError(op, 'stats', `given for ${needs.join(' and ')}`, 'none', wayOut);
}

function checkBlock(op: string, blockSize: number, d: number): void {
  if (d % blockSize !== 0) {
    throw new InvalidArgumentError(op, 'blockSize', `a divisor of ${d}`, `${blockSize}`);
  }
  hadamardPlan(op, blockSize);
}

function scaleRows(w: Float32Array, sigma: Float32Array | null, n: number): Float32Array {
  if (sigma === null) return w;
  const out = new Float32Array(w.length);
  for (let c = 0, at = 0; c < sigma.length; c++) {
    for (let j = 0; j < n; j++, at++) out[at] = w[at]! * sigma[c]!;
  }
  return out;
}

/** As `half` of graph/encodings.ts stores them, rounded once. */
function asStored(values: Float64Array): Float32Array {
  const single = Float32Array.from(values);
  return halfInRange(single).kind === 'float32' ? single : roundToHalf(values);
}

/** The leading directions of (μ − μ̄) / σ over the kept samples, rounded to what is stored. */
export function meanBasis(t: Transform, kept: readonly KeptSample[], rank: number): Float32Array {
  const { d } = t;
  const means = new Float32Array(kept.length * d);
  kept.forEach(({ mean }, i) => {
    means.set(mean, i * d);
  });
  const off = scaled(t, means, t.mean);
  return affine(leadingRightVectors(off, kept.length, d, rank), 'uint8').values;
}
