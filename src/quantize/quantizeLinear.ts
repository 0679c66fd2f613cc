import { bytesOf, FLOAT32, groupedAlong, halfInFull } from '../../ops/numerics/formats.js';
import { type Stored, signed8 } from '../graph/encodings.js';
import { matmul } from '../math/matrix.js';
import {
  type Branch,
  branchWeights,
  type FittedBranch,
  missedBeside,
  roundedTarget,
} from './branch.js';
import { type Feedback, quantizeGptq } from './gptq.js';
import type { WeightSettings } from './settings.js';
import { basisProduct, type Transform, transformedWeights } from './transform.js';
import { dequantized, type QuantizedWeights, quantizeNearest, roundingError } from './uniform.js';

/** A linear's weights as they will be stored, with all that its transform asks of them. */
export interface QuantizedLinear {
  readonly n: number;
  /** Null: the weights stay in float32, as `weights` gives them. */
  readonly packed: QuantizedWeights | null;
  /**
   * What passes through the weights is multiplied by this, [d, n]; the codes, dequantized when that
   * is first asked for, or W' itself.
   */
  readonly weights: () => Float32Array;
  /** Which way the codes were rounded. */
  readonly rounding: 'nearest' | 'gptq' | null;
  /** The basis of the mean through the original weights; null for none. */
  readonly basis: StoredRows | null;
  /** μ̄ W, [n], to be added to the bias; null where no static mean is subtracted. */
  readonly meanProduct: Float32Array | null;
  /**
   * What the outputs' mean lacks where the weights are not the original's, [n], to be added to the
   * bias: of a sequential calibration. Null: nothing.
   */
  readonly shift: Float32Array | null;
  /** R, by which what goes along the transform's branch is multiplied; null: nothing. */
  readonly branch: StoredRows | null;
}

/**
 * Rows [r, n] as they are stored: [k, n], k ≥ r, where rows from r on are what was left of the
 * first of the others when they were rounded. See `quantizedMatMul`.
 */
export interface StoredRows {
  readonly rows: Stored;
  /** What the rows were divided by, [k]; null where they are not rounded, and k is r. */
  readonly scale: Float32Array | null;
}

/**
 * Quantizes one linear: what equation (7) of hadanorm.ts needs of it beside what comes while it
 * runs. W: [d, n] as in the graph.
 * @param feedback For GPTQ rounding, of what the branch leaves; null rounds to nearest.
 * @param fitted The transform's branch; null where it has none.
 */
export function quantizeLinear(
  t: Transform,
  w: Float32Array,
  n: number,
  options: WeightSettings,
  feedback: Feedback | null,
  fitted: FittedBranch | null,
): QuantizedLinear {
  const { d } = t;
  const full = transformedWeights(t, w, n);
  const target = fitted === null ? full : roundedTarget(fitted.branch, full, d);
  const packed = quantize(target, d, n, options, feedback);
  const weights = packed === null ? itself(target) : codesDequantized(packed);
  const basis = t.basis === null ? null : storedRows(basisProduct(t, w, n), t.rank, n, options);
  const right =
    fitted === null ? null : branchWeights(fitted, missedBy(fitted.branch, full, packed, target));
  return {
    n,
    packed,
    weights,
    rounding: packed === null ? null : feedback === null ? 'nearest' : 'gptq',
    basis,
    meanProduct: t.mean === null ? null : matmul(t.mean, w, 1, d, n),
    shift: null,
    branch: right === null ? null : storedRows(right, t.branch!.rank, n, options),
  };
}

/** What the codes miss of W' beside a branch, in the memory of what was rounded. */
function missedBy(
  branch: Branch,
  full: Float32Array,
  packed: QuantizedWeights | null,
  target: Float32Array,
): Float32Array {
  if (packed === null) {
    const d = branch.vectors.values.length / branch.rank;
    return missedBeside(branch, full, target, d, new Float32Array(target.length));
  }
  if (!branch.subtract) return roundingError(full, packed, target);
  return missedBeside(branch, full, dequantized(packed), packed.d, target);
}

function itself(target: Float32Array): () => Float32Array {
  return () => target;
}

/** The codes, dequantized once. Apart from who has what was rounded: a closure would hold that. */
function codesDequantized(packed: QuantizedWeights): () => Float32Array {
  let known: Float32Array | null = null;
  return () => {
    known ??= dequantized(packed);
    return known;
  };
}

/** What the codes and the branch together do to x', [d, n]. */
export function effectiveWeights(
  { branch, d }: Transform,
  { weights, branch: right, n }: QuantizedLinear,
): Float32Array {
  if (branch === null || right === null) return weights();
  const left = branch.subtract ? roundedTarget(branch, weights(), d) : weights();
  const along = matmul(
    branch.vectors.values,
    restoredRows(right, branch.rank, n),
    d,
    branch.rank,
    n,
  );
  for (let i = 0; i < along.length; i++) along[i] = left[i]! + along[i]!;
  return along;
}

/**
 * Bytes of a linear in the file: codes, scales, correction terms and bias; with so many outputs in
 * the place of its own.
 */
export function storedBytes(
  { n, packed, weights, basis, branch }: QuantizedLinear,
  outputs = n,
): number {
  const stored = (part: StoredRows | null) =>
    part === null
      ? 0
      : (part.rows.values.length / n) * outputs * elementBytes(part.rows) +
        4 * (part.scale?.length ?? 0);
  const matrix =
    packed === null
      ? bytesOf(FLOAT32, [weights().length / n, outputs])
      : bytesOf(packed.format, [packed.d, outputs], halfInFull(packed.scale));
  return matrix + stored(basis) + stored(branch) + (packed === null ? 4 : 2) * outputs;
}

/** Weights [d, n] as their codes say them; as they are where they stay in float32. */
export function roundedWeights(
  w: Float32Array,
  d: number,
  options: WeightSettings,
  feedback: Feedback | undefined,
): Float32Array {
  const packed = quantize(w, d, w.length / d, options, feedback ?? null);
  return packed === null ? w : dequantized(packed);
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

/** The numbers that stored rows stand for, [r, n]. */
export function restoredRows({ rows, scale }: StoredRows, rank: number, n: number): Float32Array {
  const { values } = rows;
  if (scale === null) return values;
  const out = new Float32Array(rank * n);
  for (let at = 0; at < values.length; at++) {
    const to = at % out.length;
    out[to] = out[to]! + values[at]! * scale[Math.floor(at / n)]!;
  }
  return out;
}

/** Rows whose remainder is stored too: most of what comes is in the first two or so. */
const FINE_ROWS = 2;

/** Bytes of so many rows [n] as `storedRows` rounds them: codes, and a scale a row. */
export function rowBytes(rank: number, n: number): number {
  return (rank + Math.min(FINE_ROWS, rank)) * (n + 4);
}

/**
 * Every row scaled to a largest magnitude of 1, so that the same 8-bit steps serve each of them
 * alike.
 */
function storedRows(
  product: Float32Array,
  rank: number,
  n: number,
  { format }: WeightSettings,
): StoredRows {
  // weights that are not quantized have no error that rounding could hide in
  if (format.kind === 'float32') {
    return { rows: { values: product, quantization: undefined }, scale: null };
  }
  const coarse = scaledRows(product, rank, n);
  const fine = Math.min(FINE_ROWS, rank);
  const left = new Float32Array(fine * n);
  for (let at = 0; at < left.length; at++) {
    left[at] = product[at]! - coarse.rows.values[at]! * coarse.scale[Math.floor(at / n)]!;
  }
  const remainder = scaledRows(left, fine, n);
  return {
    rows: {
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
