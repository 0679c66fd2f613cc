import * as tf from '@tensorflow/tfjs';
import { hadamardPlan, orthonormalRow } from '../../ops/numerics/hadamard.js';

/** The matrix of `hadamardTransform`, [n, n]: what the transform is measured against. */
export function hadamardMatrix(n: number): tf.Tensor2D {
  const plan = hadamardPlan('bench', n);
  const values = new Float32Array(n * n);
  for (let row = 0; row < n; row++) values.set(orthonormalRow(plan, row), row * n);
  return tf.tensor2d(values, [n, n]);
}
