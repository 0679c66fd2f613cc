import { bytesOf, FLOAT32, groupedAlong, halfInFull } from '../../ops/numerics/formats.js';
import { half, type Stored, signed8 } from '../graph/encodings.js';
import { leadingRightVectors } from '../math/lowRank.js';
import { matmul, transpose } from '../math/matrix.js';
import { type Feedback, quantizeGptq } from './gptq.js';
import type { LinearSettings, WeightSettings } from './settings.js';
import { basisProduct, type Transform, transformedWeights } from './transform.js';
import { dequantized, type QuantizedWeights, quantizeNearest } from './uniform.js';

/** A linear's weights as they will be stored, with all that its transform asks of them. */
export interface QuantizedLinear {
  readonly n: number;
  /** Null: the weights stay in float32, as `weights`. */
  readonly packed: QuantizedWeights | null;
  /**
   * What passes through the weights is multiplied by this, [d, n]; the codes, dequantized, or W'
   * itself.
   */
  readonly weights: Float32Array;
  /** Which way the codes were rounded. */
  readonly rounding: 'nearest' | 'gptq' | null;
  /**
   * The basis of the mean through the original weights, [k, n], k ≥ r: rows from r on are what was
   * left of the first of the others when they were rounded. See `quantizedMatMul`.
   */
  readonly basis: Stored | null;
  /** What the rows were divided by, [k]; null where they are not rounded, and k is r. */
  readonly basisScale: Float32Array | null;
  /** μ̄ W, [n], to be added to the bias; null where no static mean is subtracted. */
  readonly meanProduct: Float32Array | null;
  /**
   * What the outputs' mean lacks where the weights are not the original's, [n], to be added to the
   * bias: of a sequential calibration. Null: nothing.
   */
  readonly shift: Float32Array | null;
  /** Singular directions beside the codes: [d, rank] and [rank, n]. */
  readonly lowRank: { readonly rank: number; readonly left: Stored; readonly right: Stored } | null;
}

/**
 * Quantizes one linear: what equation (7) of hadanorm.ts needs of it beside what comes while it
 * runs. W: [d, n] as in the graph.
 * @param feedback For GPTQ rounding; null rounds to nearest.
 */
export function quantizeLinear(
  t: Transform,
  w: Float32Array,
  n: number,
  { weights: options, lowRank }: Pick<LinearSettings, 'weights' | 'lowRank'>,
  feedback: Feedback | null,
): QuantizedLinear {
  const { d } = t;
  const full = transformedWeights(t, w, n);
  const exact = options.format.kind === 'float32';
  const branch = lowRank > 0 && !exact ? lowRankBranch(full, d, n, lowRank) : null;
  const residual = branch === null ? full : branch.residual;
  const packed = quantize(residual, d, n, options, feedback);
  const basis = t.basis === null ? null : storedBasis(basisProduct(t, w, n), t.rank, n, options);
  return {
    n,
    packed,
    weights: packed === null ? full : dequantized(packed),
    rounding: packed === null ? null : feedback === null ? 'nearest' : 'gptq',
    basis: basis?.stored ?? null,
    basisScale: basis?.scale ?? null,
    meanProduct: t.mean === null ? null : matmul(t.mean, w, 1, d, n),
    shift: null,
    lowRank: branch === null ? null : { rank: branch.rank, left: branch.left, right: branch.right },
  };
}

/** Bytes of a linear in the file: codes, scales, correction terms and bias. */
export function storedBytes({
  n,
  packed,
  weights,
  basis,
  basisScale,
  lowRank,
}: QuantizedLinear): number {
  const stored = (part: Stored | null) =>
    part === null ? 0 : part.values.length * elementBytes(part);
  const matrix =
    packed === null
      ? bytesOf(FLOAT32, [weights.length / n, n])
      : bytesOf(packed.format, [packed.d, packed.n], halfInFull(packed.scale));
  const branch = lowRank === null ? 0 : stored(lowRank.left) + stored(lowRank.right);
  return (
    matrix + stored(basis) + 4 * (basisScale?.length ?? 0) + branch + (packed === null ? 4 : 2) * n
  );
}

function elementBytes({ quantization }: Stored): number {
  if (quantization === undefined) return 4;
  return quantization.dtype === 'uint8' ? 1 : 2;
}

function quantize(
  w: Float32Array,
  d: number,
  n: number,
  { format, clipping }: WeightSettings,
  feedback: Feedback | null,
): QuantizedWeights | null {
  switch (format.kind) {
    case 'float32':
      return null;
    case 'uniform': {
      // per output channel or per group of one: either lies along the input channels
      const quantizer = { format: groupedAlong(format, 0, d)!, clipping };
      return feedback === null
        ? quantizeNearest(w, d, n, quantizer)
        : quantizeGptq(w, d, n, quantizer, feedback);
    }
    default:
      return format satisfies never;
  }
}

/**
 * Rows of the mean's basis whose remainder is stored too: most of the mean is in the first two or
 * so.
 */
const FINE_ROWS = 2;

/**
 * Every row scaled to a largest magnitude of 1, so that the same 8-bit steps serve each of them
 * alike.
 */
function storedBasis(
  product: Float32Array,
  rank: number,
  n: number,
  { format }: WeightSettings,
): { stored: Stored; scale: Float32Array | null } {
  // weights that are not quantized have no error that rounding could hide in
  if (format.kind === 'float32') {
    return { stored: { values: product, quantization: undefined }, scale: null };
  }
  const coarse = scaledRows(product, rank, n);
  const fine = Math.min(FINE_ROWS, rank);
  const left = new Float32Array(fine * n);
  for (let at = 0; at < left.length; at++) {
    left[at] = product[at]! - coarse.rows.values[at]! * coarse.scale[Math.floor(at / n)]!;
  }
  const remainder = scaledRows(left, fine, n);
  return {
    stored: {
      values: joined(coarse.rows.values, remainder.rows.values),
      quantization: coarse.rows.quantization,
    },
    scale: joined(coarse.scale, remainder.scale),
  };
}

/** Rows [rows, n] over their largest magnitude, in 8 bits from −1 to 1. */
function scaledRows(
  values: Float32Array,
  rows: number,
  n: number,
): { rows: Stored; scale: Float32Array } {
  const scale = new Float32Array(rows);
  const scaled = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) {
    const row = values.subarray(i * n, (i + 1) * n);
    const maximum = row.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    scale[i] = maximum;
    for (let j = 0; j < n && maximum > 0; j++) scaled[i * n + j] = row[j]! / maximum;
  }
  return { rows: signed8(scaled), scale };
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const out = new Float32Array(first.length + second.length);
  out.set(first);
  out.set(second, first.length);
  return out;
}

/**
 * SVDQuant's branch (Li et al., arXiv 2411.05007, §4): W' = left right + residual, left and right
 * in half precision.
 */
function lowRankBranch(w: Float32Array, d: number, n: number, wanted: number) {
  const rank = Math.min(wanted, d, n);
  // left: orthonormal [d, rank], from the rows of W'ᵀ; right = leftᵀ W'
  const vectors = leadingRightVectors(transpose(w, d, n), n, d, rank);
  const left = half(transpose(vectors, rank, d));
  const right = half(matmul(transpose(left.values, d, rank), w, rank, d, n));
  const along = matmul(left.values, right.values, d, rank, n);
  return { rank, left, right, residual: w.map((v, i) => v - along[i]!) };
}
