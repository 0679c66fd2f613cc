import { checkInteger } from '../common/checks.js';
import { hadamardPlan, orthonormalRow } from '../common/hadamard.js';

/**
 * Row `row` of the orthonormal Hadamard matrix of size `n` that `hadamardTransform` multiplies by: ±1/√n, float64.
 * @throws HadamardSizeError when `n` has no construction.
 *
 * @example
 * ```ts
 * import { hadamardRow } from 'tfjs-hadanorm';
 *
 * console.log(hadamardRow(4, 1)); // [0.5, -0.5, 0.5, -0.5]
 * ```
 */
export function hadamardRow(n: number, row: number): Float64Array {
  const op = 'hadamardRow';
  const plan = hadamardPlan(op, n);
  checkInteger(op, 'row', row, 0, n - 1);
  return orthonormalRow(plan, row);
}

/** y = x H by the explicit matrix, row by row, in float64. x: any number of blocks of `blockSize`, H = I ⊗ H_blockSize. */
export function hadamardTransformReference(
  x: ArrayLike<number>,
  blockSize: number,
  transpose = false,
): Float64Array {
  const plan = hadamardPlan('hadamardTransformReference', blockSize);
  const y = new Float64Array(x.length);
  for (let i = 0; i < blockSize; i++) {
    const row = orthonormalRow(plan, i);
    for (let start = 0; start < x.length; start += blockSize) {
      for (let j = 0; j < blockSize; j++) {
        const from = start + (transpose ? j : i);
        const to = start + (transpose ? i : j);
        y[to] = y[to]! + x[from]! * row[j]!;
      }
    }
  }
  return y;
}
