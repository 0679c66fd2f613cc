import { HadaNormError } from '../../ops/numerics/errors.js';
import { factorUpper, matmulTransposed } from '../math/matrix.js';
import {
  checkFinite,
  emptyResult,
  type QuantizedWeights,
  ScaleSearch,
  type WeightQuantizer,
} from './uniform.js';

/** Share of the mean diagonal that is added to it, as in the paper. */
export const GPTQ_DAMPING = 0.01;

/** Rows whose feedback is applied together. */
const BLOCK = 128;

/**
 * H = (M + I) D (M + I)ᵀ with M strictly upper triangular: what GPTQ needs of a Hessian, made once
 * per site.
 */
export interface Feedback {
  readonly d: number;
  /** M, row-major [d, d]; what is on or below the diagonal means nothing. */
  readonly upper: Float64Array;
}

/**
 * Factors a Hessian, in place. Damping grows tenfold until the matrix is positive definite.
 * @param h Symmetric, row-major float64 [d, d]; becomes part of the result.
 * @throws HadaNormError for a matrix with NaN or Inf.
 */
export function gptqFeedback(h: Float64Array, d: number): Feedback {
  let trace = 0;
  for (let i = 0; i < d; i++) trace += h[i * d + i]!;
  const unit = trace > 0 ? trace / d : 1;
  const kept = lowerTriangle(h, d);
  for (let damping = GPTQ_DAMPING; damping < 1e3 && Number.isFinite(trace); damping *= 10) {
    for (let i = 0; i < d; i++) h[i * d + i] = kept.diagonal[i]! + damping * unit;
    if (factorUpper(h, d)) return { d, upper: unitColumns(h, d) };
    kept.restore(h);
  }
  throw new HadaNormError('gptq', 'the Hessian holds NaN or Inf. Check the calibration data.');
}

/**
 * GPTQ: rounds the input channels one after the other and lets each make up for the errors of those
 * before.
 *
 * W: [d, n]. In the form of LDLQ (Chee et al., arXiv 2307.13304, Theorem 6), which equals Frantar
 * et al., arXiv 2210.17323, and needs no inverse: Q_k = round(W_k + Σ_{j<k} M[j, k] (W_j − Q_j)).
 * Scales are chosen when their group begins, from weights that already make up for the groups
 * before.
 *
 * @throws HadaNormError for weights that are NaN or infinite.
 */
export function quantizeGptq(
  w: Float32Array,
  d: number,
  n: number,
  quantizer: WeightQuantizer,
  { upper }: Feedback,
): QuantizedWeights {
  checkFinite(w, n);
  const result = emptyResult(d, n, quantizer);
  const search = new ScaleSearch(quantizer);
  const errors = new Float32Array(d * n); // W − Q of the rows that are done
  const target = new Float32Array(BLOCK * n);
  for (let start = 0; start < d; start += BLOCK) {
    const end = Math.min(start + BLOCK, d);
    target.set(w.subarray(start * n, end * n));
    addFeedback(target, errors, upper, d, n, start, end);
    for (let k = start; k < end; k++) {
      const at = (k - start) * n;
      if (k % result.format.granularity.groupSize === 0) {
        chooseScales(result, search, groupTarget(result, w, errors, target, upper, k, start, end));
      }
      roundRow(result, search, w, errors, target, k, at);
      for (let later = k + 1; later < end; later++) {
        axpy(target, (later - start) * n, upper[k * d + later]!, errors, k * n, n);
      }
    }
  }
  return result;
}

/**
 * The rows of a group as GPTQ would round them if no further error came: what their scales are to
 * fit.
 */
interface GroupTarget {
  readonly values: Float32Array; // [rows, n]
  readonly rows: number;
  readonly group: number;
}

/**
 * Rows of the group make up for the errors so far and, until they are rounded, for each other's
 * moves: what W is by then in Frantar et al. A group that reaches beyond the block is computed
 * apart.
 */
function groupTarget(
  { format, d, n }: QuantizedWeights,
  w: Float32Array,
  errors: Float32Array,
  target: Float32Array,
  upper: Float64Array,
  k: number,
  start: number,
  end: number,
): GroupTarget {
  const { groupSize } = format.granularity;
  const rows = Math.min(groupSize, d - k);
  const group = k / groupSize;
  if (k + rows <= end) {
    const from = (k - start) * n;
    return { values: moved(target.slice(from, from + rows * n), w, upper, d, n, k), rows, group };
  }
  const values = w.slice(k * n, (k + rows) * n);
  for (let j = 0; j < k; j++) {
    for (let r = 0; r < rows; r++) axpy(values, r * n, upper[j * d + k + r]!, errors, j * n, n);
  }
  return { values: moved(values, w, upper, d, n, k), rows, group };
}

/**
 * values += Mᵀ (W − values), row by row from the first: what each row's move asks of those after
 * it. In place.
 */
function moved(
  values: Float32Array,
  w: Float32Array,
  upper: Float64Array,
  d: number,
  n: number,
  k: number,
): Float32Array {
  if (k === 0) return values;
  const rows = values.length / n;
  const move = new Float32Array(n);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < n; i++) move[i] = w[(k + r) * n + i]! - values[r * n + i]!;
    const row = (k + r) * d + k;
    for (let later = r + 1; later < rows; later++) {
      axpy(values, later * n, upper[row + later]!, move, 0, n);
    }
  }
  return values;
}

function chooseScales(
  { scale, n }: QuantizedWeights,
  search: ScaleSearch,
  { values, rows, group }: GroupTarget,
): void {
  const column = new Float64Array(rows);
  for (let j = 0; j < n; j++) {
    for (let r = 0; r < rows; r++) column[r] = values[r * n + j]!;
    scale[group * n + j] = search.best(column, rows);
  }
}

function roundRow(
  { codes, scale, format, n }: QuantizedWeights,
  search: ScaleSearch,
  w: Float32Array,
  errors: Float32Array,
  target: Float32Array,
  k: number,
  at: number,
): void {
  const scales = Math.floor(k / format.granularity.groupSize) * n;
  for (let j = 0; j < n; j++) {
    const s = scale[scales + j]!;
    const q = search.code(target[at + j]!, s);
    codes[k * n + j] = q;
    errors[k * n + j] = w[k * n + j]! - q * s;
  }
}

/**
 * target += Mᵀ errors, for the rows [start, end) and all errors before them: one product, where
 * most of the work is.
 */
function addFeedback(
  target: Float32Array,
  errors: Float32Array,
  upper: Float64Array,
  d: number,
  n: number,
  start: number,
  end: number,
): void {
  if (start === 0) return;
  const rows = end - start;
  const block = new Float32Array(start * rows);
  for (let j = 0; j < start; j++) {
    block.set(upper.subarray(j * d + start, j * d + end), j * rows);
  }
  const made = matmulTransposed(block, errors.subarray(0, start * n), start, rows, n);
  for (let i = 0; i < made.length; i++) target[i] = target[i]! + made[i]!;
}

function axpy(
  y: Float32Array,
  yAt: number,
  factor: number,
  x: Float32Array,
  xAt: number,
  length: number,
): void {
  for (let i = 0; i < length; i++) y[yAt + i] = y[yAt + i]! + factor * x[xAt + i]!;
}

/** U = (M + I) diag(U): each column over its diagonal. */
function unitColumns(u: Float64Array, d: number): Float64Array {
  const inverse = Float64Array.from({ length: d }, (_, j) => 1 / u[j * d + j]!);
  for (let i = 0; i < d; i++) {
    for (let j = i + 1, at = i * d + i + 1; j < d; j++, at++) u[at] = u[at]! * inverse[j]!;
  }
  return u;
}

/** Factoring overwrites the upper triangle; the lower one still has it. */
function lowerTriangle(h: Float64Array, d: number) {
  const diagonal = Float64Array.from({ length: d }, (_, i) => h[i * d + i]!);
  const restore = (matrix: Float64Array) => {
    for (let i = 0; i < d; i++) {
      for (let j = i + 1; j < d; j++) matrix[i * d + j] = matrix[j * d + i]!;
    }
  };
  return { diagonal, restore };
}
