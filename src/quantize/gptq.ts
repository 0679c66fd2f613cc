import { matmulTransposed } from '../math/matrix.js';
import { addRows, addScaled } from '../math/rows.js';
import type { Feedback } from './feedback.js';
import {
  checkFinite,
  emptyResult,
  type QuantizedWeights,
  ScaleSearch,
  type WeightQuantizer,
} from './uniform.js';

export type { Feedback } from './feedback.js';

/** Rows whose feedback is applied together. */
const BLOCK = 128;

/** Within a block: rows whose errors go to the later ones in one pass over these. */
const STRIP = 4;

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
  const { groupSize } = result.format.granularity;
  const errors = new Float32Array(d * n); // W − Q of the rows that are done
  const target = new Float32Array(BLOCK * n);
  for (let start = 0; start < d; start += BLOCK) {
    const end = Math.min(start + BLOCK, d);
    target.set(w.subarray(start * n, end * n));
    addFeedback(target, errors, upper, d, n, start, end);
    for (let first = start; first < end; ) {
      if (first % groupSize === 0) {
        const group = groupTarget(result, w, errors, target, upper, first, start, end);
        chooseScales(result, search, group);
      }
      const strip = Math.min(STRIP - (first % STRIP), groupSize - (first % groupSize));
      const last = Math.min(first + strip, end);
      roundStrip(result, search, w, errors, target, upper, first, last, start);
      for (let later = last; later < end; later++) {
        addRows(target, (later - start) * n, upper, first * d + later, d, errors, first, last, n);
      }
      first = last;
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
  upper: Float32Array,
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
  for (let r = 0; r < rows; r++) addRows(values, r * n, upper, k + r, d, errors, 0, k, n);
  return { values: moved(values, w, upper, d, n, k), rows, group };
}

/**
 * values += Mᵀ (W − values), row by row from the first: what each row's move asks of those after
 * it. In place.
 */
function moved(
  values: Float32Array,
  w: Float32Array,
  upper: Float32Array,
  d: number,
  n: number,
  k: number,
): Float32Array {
  if (k === 0) return values;
  const rows = values.length / n;
  const move = new Float32Array(STRIP * n);
  for (let first = 0; first < rows; first += STRIP) {
    const last = Math.min(first + STRIP, rows);
    for (let r = first; r < last; r++) {
      const at = (r - first) * n;
      for (let i = 0; i < n; i++) move[at + i] = w[(k + r) * n + i]! - values[r * n + i]!;
      for (let later = r + 1; later < last; later++) {
        addScaled(values, later * n, upper[(k + r) * d + k + later]!, move, at, n);
      }
    }
    for (let later = last; later < rows; later++) {
      const factors = (k + first) * d + k + later;
      addRows(values, later * n, upper, factors, d, move, 0, last - first, n);
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

/** The rows [first, last) of a block that begins at `start`, each making up for those before. */
function roundStrip(
  result: QuantizedWeights,
  search: ScaleSearch,
  w: Float32Array,
  errors: Float32Array,
  target: Float32Array,
  upper: Float32Array,
  first: number,
  last: number,
  start: number,
): void {
  const { d, n } = result;
  for (let k = first; k < last; k++) {
    roundRow(result, search, w, errors, target, k, (k - start) * n);
    for (let later = k + 1; later < last; later++) {
      addScaled(target, (later - start) * n, upper[k * d + later]!, errors, k * n, n);
    }
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
  upper: Float32Array,
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
