import * as tf from '@tensorflow/tfjs';
import { normal, sizeOf } from '../numbers/random.js';

/** Numbers from a normal distribution; each channel has its own mean, the same for every seed. */
export function randomTensor(shape: readonly number[], seed: number): tf.Tensor {
  const channels = shape.at(-1)!;
  const means = normal(channels, 7001);
  const values = normal(sizeOf(shape), seed).map((v, i) => v + means[i % channels]!);
  return tf.tensor(values, [...shape]);
}
