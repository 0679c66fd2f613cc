import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { Batch } from './feed/batch.js';
import type { RecordedPlan } from './plan/recordedPlan.js';

/**
 * Records what a model's `execute` does on the WebGPU backend for inputs of these shapes, to be run
 * again and again: buffers, pipelines and bindings are made once, and a run is one submission. That
 * takes a fraction of the time that the same programs take one by one.
 *
 * Models of this package do so by themselves from their third run on; this is for any GraphModel,
 * at once, and says what is held.
 *
 * A plan's `run` gives what `execute` gives, to the bit, for other values of the inputs.
 *
 * What has few elements and lies on the host, tfjs may compute there, where `execute` is given such
 * inputs; a plan computes all of it on the GPU.
 *
 * A plan holds buffers for all that lies between inputs and outputs (`bytes`), and the weights,
 * until it is disposed of; so it runs on if the model is disposed of meanwhile.
 *
 * @param model A loaded `tf.GraphModel`, quantized or not.
 * @param inputs As `model.execute` takes them; their shapes and dtypes are the plan's.
 * @throws InvalidArgumentError for anything but these, and where the current backend is not
 * 'webgpu'; NotRecordableError where runs would differ by more than the inputs' values (random
 * numbers, control flow, values that are read while the model runs); WebgpuDeviceLostError.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import '@tensorflow/tfjs-backend-webgpu';
 * import { plan } from 'tfjs-hadanorm';
 *
 * const step = await plan(model, inputs);
 * const velocity = step.run(inputs) as tf.Tensor;
 * step.dispose();
 * ```
 */
export async function plan(model: GraphModel, inputs: Batch): Promise<RecordedPlan> {
  // for those only who record: it is a tenth of the package
  const { plan } = await import('./plan/plan.js');
  return plan(model, inputs);
}
