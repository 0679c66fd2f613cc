import * as tf from '@tensorflow/tfjs';
import { normal, sizeOf } from '../numbers/random.js';

/** Numbers from a normal distribution; each channel has its own mean, the same for every seed. */
export function randomTensor(shape: readonly number[], seed: number): tf.Tensor {
  const channels = shape.at(-1)!;
  const means = normal(channels, 7001);
  const values = normal(sizeOf(shape), seed).map((v, i) => v + means[i % channels]!);
  return tf.tensor(values, [...shape]);
}

/** So many numbers from one to another. tfjs's linspace gives NaN for one, on WebGPU. */
export function evenly(from: number, to: number, count: number): tf.Tensor1D {
  const step = count === 1 ? 0 : (to - from) / (count - 1);
  return tf.tensor1d(Array.from({ length: count }, (_, i) => from + i * step));
}
