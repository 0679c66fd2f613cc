import { packedBytes } from '../../ops/common/packing.js';
import { leadingRightVectors } from '../math/lowRank.js';
import { matmul, transpose } from '../math/matrix.js';
import { type Feedback, quantizeGptq } from '../pack/gptq.js';
import { dequantized, type QuantizedWeights, quantizeNearest } from '../pack/quantizeWeights.js';
import { affine, half, halfScales, type Stored } from '../pack/stored.js';
import type { LinearSettings } from './options.js';
import { basisProduct, type Transform, transformedWeights } from './transform.js';

/** A linear's weights as they will be stored, with all that its transform asks of them. */
export interface QuantizedLinear {
  readonly n: number;
  /** Null: the weights stay in float32, as `weights`. */
  readonly packed: QuantizedWeights | null;
  /** What passes through the weights is multiplied by this, [d, n]; the codes, dequantized, or W' itself. */
  readonly weights: Float32Array;
  /** Which way the codes were rounded. */
  readonly rounding: 'nearest' | 'gptq' | null;
  /** The basis of the mean through the original weights, its rows scaled to a largest magnitude of 1: [r, n], in parts. */
  readonly basis: readonly Stored[] | null;
  /** What the rows were divided by, [r]. */
  readonly basisScale: Float32Array | null;
  /** μ̄ W, [n], to be added to the bias; null where no static mean is subtracted. */
  readonly meanProduct: Float32Array | null;
  /** Singular directions beside the codes: [d, rank] and [rank, n]. */
  readonly lowRank: { readonly rank: number; readonly left: Stored; readonly right: Stored } | null;
}

/**
 * Quantizes one linear. W: [d, n] as in the graph.
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
  const branch = lowRank > 0 && options.bits !== null ? lowRankBranch(full, d, n, lowRank) : null;
  const rest = branch === null ? full : branch.rest;
  const packed = options.bits === null ? null : quantize(rest, d, n, options, feedback);
  const basis =
    t.basis === null ? null : scaledBasis(basisProduct(t, w, n), t.rank, n, options.bits === null);
  return {
    n,
    packed,
    weights: packed === null ? full : dequantized(packed),
    rounding: packed === null ? null : feedback === null ? 'nearest' : 'gptq',
    basis: basis?.stored ?? null,
    basisScale: basis?.scale ?? null,
    meanProduct: t.mean === null ? null : matmul(t.mean, w, 1, d, n),
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
      ? 4 * weights.length
      : packedBytes(packed.d, packed.n, packed.bits) + stored(halfScales(packed.scale));
  const branch = lowRank === null ? 0 : stored(lowRank.left) + stored(lowRank.right);
  const rows = (basis ?? []).reduce((sum, part) => sum + stored(part), 0);
  return matrix + rows + 4 * (basisScale?.length ?? 0) + branch + (packed === null ? 4 : 2) * n;
}

function elementBytes({ quantization }: Stored): number {
  if (quantization === undefined) return 4;
  return quantization.dtype === 'uint8' ? 1 : 2;
}

function quantize(
  w: Float32Array,
  d: number,
  n: number,
  { bits, granularity, groupSize, clipping }: LinearSettings['weights'],
  feedback: Feedback | null,
): QuantizedWeights {
  const size = granularity === 'perChannel' ? d : Math.min(groupSize, d);
  const quantizer = { bits: bits!, groupSize: size, clipping };
  return feedback === null
    ? quantizeNearest(w, d, n, quantizer)
    : quantizeGptq(w, d, n, quantizer, feedback);
}

/** Rows of the mean's basis that are stored in 16 bits: most of the mean is in the first two or so. */
const FINE_ROWS = 2;

/** Rows to a largest magnitude of 1, so that the same steps serve each of them alike. */
function scaledBasis(
  product: Float32Array,
  rank: number,
  n: number,
  exact: boolean,
): { stored: Stored[]; scale: Float32Array } {
  const scale = new Float32Array(rank);
  const rows = product.slice();
  for (let i = 0; i < rank; i++) {
    let most = 0;
    for (let j = 0; j < n; j++) most = Math.max(most, Math.abs(product[i * n + j]!));
    scale[i] = most;
    for (let j = 0; j < n; j++) rows[i * n + j] = most === 0 ? 0 : product[i * n + j]! / most;
  }
  // weights that are not quantized have no error that rounding could hide in
  if (exact) return { stored: [{ values: rows, quantization: undefined }], scale };
  const fine = affine(rows.subarray(0, FINE_ROWS * n), 'uint16');
  const coarse = rank > FINE_ROWS ? [affine(rows.subarray(FINE_ROWS * n), 'uint8')] : [];
  return { stored: [fine, ...coarse], scale };
}

/** SVDQuant's branch (Li et al., arXiv 2411.05007, §4): W' = left right + rest, left and right in half precision. */
function lowRankBranch(w: Float32Array, d: number, n: number, wanted: number) {
  const rank = Math.min(wanted, d, n);
  // left: orthonormal [d, rank], from the rows of W'ᵀ; right = leftᵀ W'
  const vectors = leadingRightVectors(transpose(w, d, n), n, d, rank);
  const left = half(transpose(vectors, rank, d));
  const right = half(matmul(transpose(left.values, d, rank), w, rank, d, n));
  const along = matmul(left.values, right.values, d, rank, n);
  return { rank, left, right, rest: w.map((v, i) => v - along[i]!) };
}
