import * as tf from '@tensorflow/tfjs';
import { normal, sizeOf } from './random.js';

/** A float32 array with a shape. */
export interface Values {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A tensor of the given values. */
export function toTensor({ shape, values }: Values): tf.Tensor {
  return tf.tensor(values, [...shape], 'float32');
}

/** The weights of the scalar loss Σ weight · output that gradients are taken of. */
export function lossWeights(shapes: readonly (readonly number[])[]): Float32Array[] {
  return shapes.map((shape, i) => normal(sizeOf(shape), 900 + i));
}

/** d loss / d input for every input, through tfjs. */
export function analyticGradients(
  run: (inputs: tf.Tensor[]) => tf.Tensor[],
  inputs: readonly Values[],
  weights: readonly Float32Array[],
): Float32Array[] {
  const tensors = inputs.map(toTensor);
  const gradients = tf.tidy(() => {
    const loss = (...xs: tf.Tensor[]) =>
      tf.addN(run(xs).map((y, i) => tf.sum(tf.mul(y, tf.tensor(weights[i]!, y.shape)))));
    return tf.grads(loss)(tensors);
  });
  const values = gradients.map((gradient) => gradient.dataSync() as Float32Array);
  tf.dispose([gradients, tensors]);
  return values;
}

/** d loss / d inputs[which][element], by central differences of a float64 reference. */
export function numericGradient(
  reference: (inputs: Float64Array[]) => Float64Array[],
  inputs: readonly Values[],
  weights: readonly Float32Array[],
  [which, element]: readonly [number, number],
  step: number,
): number {
  const lossAt = (delta: number) => {
    const shifted = inputs.map(({ values }) => Float64Array.from(values));
    shifted[which]![element] = shifted[which]![element]! + delta;
    return reference(shifted).reduce(
      (sum, y, i) => sum + y.reduce((part, v, j) => part + v * weights[i]![j]!, 0),
      0,
    );
  };
  return (lossAt(step) - lossAt(-step)) / (2 * step);
}
