import { hadamardPlan, hadamardSign } from '../common/hadamard.js';

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
  const plan = hadamardPlan('hadamardRow', n);
  return Float64Array.from(
    { length: n },
    (_, column) => hadamardSign(plan, row, column) / Math.sqrt(n),
  );
}

/** y = x H by the explicit matrix, in float64. x: [rows, n] flat; H = I ⊗ H_blockSize. */
export function hadamardTransformReference(
  x: ArrayLike<number>,
  n: number,
  { transpose = false, blockSize = n } = {},
): Float64Array {
  const plan = hadamardPlan('hadamardTransformReference', blockSize);
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += blockSize) {
    for (let j = 0; j < blockSize; j++) {
      let sum = 0;
      for (let i = 0; i < blockSize; i++) {
        sum += x[start + i]! * (transpose ? hadamardSign(plan, j, i) : hadamardSign(plan, i, j));
      }
      y[start + j] = sum / Math.sqrt(blockSize);
    }
  }
  return y;
}
