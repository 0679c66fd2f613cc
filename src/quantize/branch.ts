import { type Stored, signed8 } from '../graph/encodings.js';
import { leadingLeftVectors, leadingRightVectors } from '../math/lowRank.js';
import { matmul, matmulTransposed, traceOf, transpose } from '../math/matrix.js';
import {
  innerProducts,
  leadingEigenvectors,
  leadingOf,
  solveSymmetric,
  timesColumns,
  timesOf,
} from '../math/symmetric.js';

/**
 * Which directions of a site are multiplied apart, beside the codes:
 * - `activations`: those in which what passes varies most (arXiv 2606.01412);
 * - `subtracted`: the same, and they are taken out of what is quantized (arXiv 2605.16732);
 * - `weights`: the leading singular directions of the weights (SVDQuant, arXiv 2411.05007);
 * - `errors`: those in which the weights' rounding errs most by what passes: rounded beside
 *   `weights`, then fitted to what that left.
 */
export type BranchKind = (typeof BRANCH_KINDS)[number];

export const BRANCH_KINDS = ['activations', 'subtracted', 'weights', 'errors'] as const;

/** What a site's tokens go through beside their codes: equation (8) of hadanorm.ts. */
export interface Branch {
  readonly kind: BranchKind;
  readonly rank: number;
  /** V, as it is stored: [d, rank]. */
  readonly vectors: Stored;
  /** Whether x' − (x' V) Vᵀ is quantized, in the place of x'. */
  readonly subtract: boolean;
}

/** A branch with what fits weights to it. */
export interface FittedBranch {
  readonly branch: Branch;
  /** H V, [d, rank], H damped. */
  readonly image: Float64Array;
  /** (Vᵀ H V)⁻¹ Vᵀ H, [rank, d]: of an error of the weights, what the branch makes up for. */
  readonly gain: Float64Array;
  /** What H was damped by: added to its diagonal. */
  readonly damping: number;
}

/** What a branch is fitted to. */
export interface BranchOrigin {
  readonly d: number;
  /** Second moments of what passes, [d, d]; null: not known. */
  readonly h: Float64Array | null;
  /** W' of the site's linears, [d, n] each. */
  readonly weights: readonly Float32Array[];
  /** Q(W') of the same, [d, n] each, rounded beside a branch; for `errors`. */
  readonly rounded: (fitted: FittedBranch) => readonly Float32Array[];
}

/** Fits a branch of a kind to a site; without H there is only the kind `weights`. */
export function fitBranch(kind: BranchKind, rank: number, from: BranchOrigin): FittedBranch {
  const { d, h } = from;
  if (h === null || kind === 'weights') {
    return fitted('weights', weightsDirections(from, rank), d, h);
  }
  switch (kind) {
    case 'activations':
    case 'subtracted':
      return fitted(kind, leadingEigenvectors(h, d, rank), d, h);
    case 'errors':
      return ofErrors(rank, from, h);
    default:
      return kind satisfies never;
  }
}

/** x' V for rows x' [count, d]: [count, rank]. */
export function projected({ vectors, rank }: Branch, rows: Float32Array, d: number): Float32Array {
  return matmul(rows, vectors.values, rows.length / d, d, rank);
}

/** What of rows x' [count, d] is left to pass, from x' V. */
export function passing(
  { vectors, rank, subtract }: Branch,
  rows: Float32Array,
  along: Float32Array,
  d: number,
): Float32Array {
  if (!subtract) return rows;
  return less(rows, matmul(along, transpose(vectors.values, d, rank), rows.length / d, rank, d));
}

/** W' less what goes along V, [d, n]: what is rounded. V may take any of it, so least is left. */
export function roundedTarget({ vectors, rank }: Branch, w: Float32Array, d: number): Float32Array {
  const n = w.length / d;
  const along = matmul(transpose(vectors.values, d, rank), w, rank, d, n);
  const rows = Math.max(Math.floor(CHUNK / n), 1);
  if (rows >= d) return less(w, matmul(vectors.values, along, d, rank, n));
  const out = new Float32Array(w.length);
  for (let from = 0; from < d; from += rows) {
    const to = Math.min(from + rows, d);
    const own = vectors.values.subarray(from * rank, to * rank);
    const taken = matmul(own, along, to - from, rank, n);
    less(w.subarray(from * n, to * n), taken, out.subarray(from * n, to * n));
  }
  return out;
}

/** Numbers of a large matrix that are worked on at a time. */
const CHUNK = 2 ** 23;

/**
 * R [rank, n] with the least error of x'⊥ Q + (x' V) R as x' W', by the second moments of x': what
 * the codes miss along V goes into it.
 * @param missed What of W' they do not do, [d, n].
 */
export function branchWeights(
  { branch: { rank }, gain }: FittedBranch,
  missed: Float32Array,
): Float32Array {
  const d = gain.length / rank;
  const n = missed.length / d;
  const factor = Float32Array.from(gain);
  const width = Math.ceil(n / Math.ceil(missed.length / (4 * CHUNK)));
  if (width === n) return matmul(factor, missed, rank, d, n);
  const out = new Float32Array(rank * n);
  for (let from = 0; from < n; from += width) {
    const to = Math.min(from + width, n);
    const own = matmul(factor, columnsOf(missed, n, from, to), rank, d, to - from);
    for (let k = 0; k < rank; k++) {
      out.set(own.subarray(k * (to - from), (k + 1) * (to - from)), k * n + from);
    }
  }
  return out;
}

function columnsOf(matrix: Float32Array, n: number, from: number, to: number): Float32Array {
  const rows = matrix.length / n;
  const out = new Float32Array(rows * (to - from));
  for (let k = 0; k < rows; k++) {
    out.set(matrix.subarray(k * n + from, k * n + to), k * (to - from));
  }
  return out;
}

/** What of W' the rounded weights do not do, [d, n], in the memory that is given. */
export function missedBeside(
  branch: Branch,
  w: Float32Array,
  rounded: Float32Array,
  d: number,
  spare: Float32Array,
): Float32Array {
  // x'⊥ = x' (1 − V Vᵀ)
  return less(w, branch.subtract ? roundedTarget(branch, rounded, d) : rounded, spare);
}

/** v − taken, in the place of `taken` or of what else is given. */
function less(v: Float32Array, taken: Float32Array, out = taken): Float32Array {
  for (let i = 0; i < v.length; i++) out[i] = v[i]! - taken[i]!;
  return out;
}

function fitted(
  kind: BranchKind,
  columns: Float64Array,
  d: number,
  h: Float64Array | null,
): FittedBranch {
  const rank = columns.length / d;
  const single = Float32Array.from(byMoments(columns, d, h));
  const vectors = signed8(single, largestOf(single));
  const v = Float64Array.from(vectors.values);
  const damping = h === null ? 0 : (DAMPING * traceOf(h, d)) / d;
  const image = h === null ? v : timesColumns(h, d, v, rank).map((x, at) => x + damping * v[at]!);
  const moments = innerProducts(v, image, d, rank, rank);
  const gain = solveSymmetric(moments, transpose(image, d, rank), rank, d);
  const branch = { kind, rank, vectors, subtract: kind === 'subtracted' };
  return { branch, image, gain, damping };
}

/**
 * Share of the mean diagonal that is added to H: along what never came while calibrating, few
 * tokens say, R is then what W' has there, and not nothing.
 */
const DAMPING = 1e-3;

/** The columns through which most passes first: their rows of R are stored finest. */
function byMoments(columns: Float64Array, d: number, h: Float64Array | null): Float64Array {
  if (h === null) return columns;
  const rank = columns.length / d;
  const image = timesColumns(h, d, columns, rank);
  const moments = Float64Array.from({ length: rank }, (_, j) => {
    let sum = 0;
    for (let i = 0; i < d; i++) sum += columns[i * rank + j]! * image[i * rank + j]!;
    return sum;
  });
  const order = [...moments.keys()].sort((a, b) => moments[b]! - moments[a]!);
  return columns.map((_, at) => columns[at - (at % rank) + order[at % rank]!]!);
}

/**
 * Share of H's mean diagonal that stays on that of what a branch leaves: it may be all of H, and
 * then what is left is rounding, of either sign.
 */
const LEFT = 1e-6;

/** H − H V (Vᵀ H V)⁻¹ Vᵀ H, H damped, in place: an error of the weights along V costs nothing. */
export function withoutBranch(
  h: Float64Array,
  d: number,
  { image, gain, branch, damping }: FittedBranch,
): Float64Array {
  const { rank } = branch;
  const added = damping + (LEFT * traceOf(h, d)) / d;
  for (let i = 0; i < d; i++) {
    for (let k = 0; k < rank; k++) {
      const factor = image[i * rank + k]!;
      for (let j = 0; j < d; j++) h[i * d + j] = h[i * d + j]! - factor * gain[k * d + j]!;
    }
    h[i * d + i] = h[i * d + i]! + added;
  }
  return h;
}

/** The left singular vectors of the weights side by side, [d, Σ n]. */
function weightsDirections({ d, weights }: BranchOrigin, rank: number): Float64Array {
  return transpose(Float64Array.from(leadingRows(d, weights, rank)), rank, d);
}

function leadingRows(d: number, weights: readonly Float32Array[], rank: number): Float32Array {
  const [w, ...others] = weights as [Float32Array, ...Float32Array[]];
  if (others.length === 0) return leadingLeftVectors(w, d, w.length / d, rank);
  const rows = weights.reduce((sum, { length }) => sum + length / d, 0);
  const all = new Float32Array(rows * d);
  weights.reduce((at, own) => {
    all.set(transpose(own, d, own.length / d), at);
    return at + own.length;
  }, 0);
  return leadingRightVectors(all, rows, d, rank);
}

/**
 * Beside the weights' directions first; then those of what the codes' error has most of in H. One
 * turn: three were worth 0.1 dB of a trained DiT's velocity, and cost a rounding each.
 */
function ofErrors(rank: number, from: BranchOrigin, h: Float64Array): FittedBranch {
  const { d, weights, rounded } = from;
  const codes = rounded(fitted('errors', weightsDirections(from, rank), d, h));
  const errors = weights.map((w, i) => less(w, codes[i]!));
  const times = timesOf(h, d);
  const image = (v: Float64Array) => errorImage(errors, times(v, rank), d, rank);
  const columns = leadingOf(image, d, rank);
  return fitted('errors', columns, d, h);
}

/** Σ E Eᵀ u over the errors E [d, n] of the weights; of u = H v, what their directions are. */
function errorImage(
  errors: readonly Float32Array[],
  u: Float64Array,
  d: number,
  rank: number,
): Float64Array {
  const image = Float32Array.from(u);
  const sum = new Float64Array(d * rank);
  for (const e of errors) {
    const n = e.length / d;
    const back = matmulTransposed(e, image, d, n, rank);
    const part = matmul(e, back, d, n, rank);
    for (let at = 0; at < sum.length; at++) sum[at] = sum[at]! + part[at]!;
  }
  return sum;
}

function largestOf(values: Float32Array): number {
  return values.reduce((max, v) => Math.max(max, Math.abs(v)), 0) || 1;
}
