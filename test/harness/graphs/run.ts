import * as tf from '@tensorflow/tfjs';
import type { RewriteOptions } from '../../../src/index.js';

/** A model from artifacts in memory. */
export function loaded(artifacts: tf.io.ModelArtifacts): Promise<tf.GraphModel> {
  return tf.loadGraphModel(tf.io.fromMemory(artifacts));
}

/** The values of all outputs for inputs that are disposed here. */
export async function outputsOf(
  model: tf.GraphModel,
  inputs: Record<string, tf.Tensor>,
  how: 'execute' | 'predict' | 'executeAsync' = 'execute',
): Promise<Float32Array[]> {
  const result = await model[how](inputs, ...(how === 'predict' ? [] : [outputNames(model)]));
  const tensors = Array.isArray(result) ? result : [result as tf.Tensor];
  const values = tensors.map((tensor) => tensor.dataSync() as Float32Array);
  tf.dispose([tensors, inputs]);
  return values;
}

/** ‖a − b‖ / ‖a‖ over all outputs. */
export function relativeError(exact: readonly Float32Array[], other: readonly Float32Array[]) {
  let signal = 0;
  let noise = 0;
  exact.forEach((values, i) => {
    if (values.length !== other[i]?.length) noise = Number.POSITIVE_INFINITY;
    values.forEach((v, j) => {
      signal += v ** 2;
      noise += (v - other[i]![j]!) ** 2;
    });
  });
  return Math.sqrt(noise / signal);
}

/** Nothing is quantized: what comes out must be what went in. */
export const EXACT: RewriteOptions = {
  weights: { bits: null },
  activations: { bits: null },
  weightOnly: { bits: null },
  compare: false,
};

function outputNames(model: tf.GraphModel): string[] {
  return model.outputs.map(({ name }) => name);
}
