/** A model's steps on WebGPU, from a recorded plan: the same numbers in a fraction of the time. */
import type * as tf from '@tensorflow/tfjs';
import { plan } from 'tfjs-hadanorm';

/** Runs a model on inputs that are alike in names, shapes and dtypes; lends what comes to `see`. */
export async function runAll(
  model: tf.GraphModel,
  inputs: readonly tf.NamedTensorMap[],
  see: (output: tf.Tensor, index: number) => Promise<void>,
): Promise<void> {
  const [first] = inputs;
  if (first === undefined) return;
  // runs the model twice: once to compile, once to record
  const step = await plan(model, first);
  try {
    for (const [i, given] of inputs.entries()) {
      const output = step.run(given) as tf.Tensor;
      await see(output, i);
      output.dispose();
    }
  } finally {
    step.dispose();
  }
}
