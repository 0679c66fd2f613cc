import { checkInteger } from '../common/checks.js';
import { hadamardPlan, orthonormalRow } from '../numerics/hadamard.js';

/**
 * Row `row` of the orthonormal Hadamard matrix of size `n` that `hadamardTransform` multiplies by:
 * ±1/√n, float64.
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
