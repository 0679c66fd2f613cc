import { hadamardPlan, orthonormalRow } from '../numerics/hadamard.js';

/**
 * y = x H by the explicit matrix, row by row, in float64. x: any number of blocks of `blockSize`, H
 * = I ⊗ H_blockSize.
 */
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
