import { addThrough, sweep, type Triangle } from '../math/triangle.js';
import type { Feedback } from './feedback.js';
import { ScaleSearch, type WeightQuantizer } from './scaleSearch.js';
import { checkFinite, emptyResult, type QuantizedWeights } from './uniform.js';

export type { Feedback } from './feedback.js';

/** Rows whose feedback is applied together. */
const BLOCK = 128;

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
  for (let start = 0; start < d; start += BLOCK) {
    const end = Math.min(start + BLOCK, d);
    const target = w.slice(start * n, end * n);
    addErrors(target, errors, upper, n, start, end);
    // groups that begin within the block get their scales when it is their turn
    for (let from = start; from < end; ) {
      if (from % groupSize === 0) {
        const own = target.subarray((from - start) * n);
        const values = groupTarget(result, w, errors, own, upper, from, end);
        const [group, rows] = [from / groupSize, values.length / n];
        const scales = result.scale.subarray(group * n, (group + 1) * n);
        search.columns(values, rows, n, scales);
      }
      const to = Math.min(from + groupSize - (from % groupSize), end);
      const rest = target.subarray((from - start) * n);
      const made = errors.subarray(from * n, to * n);
      sweep(rest, upper, from, to - from, n, made, (i) => {
        roundRow(result, search, w, errors, rest, from + i, i * n);
      });
      const behind = { from: to, to: end };
      addThrough(rest.subarray((to - from) * n), upper, { from, to }, behind, made, n);
      from = to;
    }
  }
  return result;
}

/**
 * The rows of a group as GPTQ would round them if no further error came, [rows, n]: what their
 * scales are to fit. They make up for the errors so far and, until they are rounded, for each
 * other's moves: what W is by then in Frantar et al. A group that reaches beyond the block is
 * computed apart.
 */
function groupTarget(
  { format, d, n }: QuantizedWeights,
  w: Float32Array,
  errors: Float32Array,
  target: Float32Array,
  upper: Triangle,
  k: number,
  end: number,
): Float32Array {
  const rows = Math.min(format.granularity.groupSize, d - k);
  const within = k + rows <= end;
  const values = within ? target.slice(0, rows * n) : w.slice(k * n, (k + rows) * n);
  if (!within) addErrors(values, errors, upper, n, k, k + rows);
  if (k === 0) return values;
  // what each row's move asks of those after it
  const move = new Float32Array(rows * n);
  sweep(values, upper, k, rows, n, move, (r) => {
    for (let at = r * n; at < (r + 1) * n; at++) move[at] = w[k * n + at]! - values[at]!;
  });
  return values;
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

/** target += Mᵀ errors, for the rows [start, end) and all errors before them. */
function addErrors(
  target: Float32Array,
  errors: Float32Array,
  upper: Triangle,
  n: number,
  start: number,
  end: number,
): void {
  const before = { from: 0, to: start };
  addThrough(target, upper, before, { from: start, to: end }, errors.subarray(0, start * n), n);
}
