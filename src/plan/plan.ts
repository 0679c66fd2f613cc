import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, engine, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { checkBackends, stillAlive, whileAlive } from '../../ops/common/alive.js';
import { currentBackend } from '../../ops/common/kernel.js';
import { backendLoaded } from '../../ops/common/withBackend.js';
import { InvalidArgumentError, NotRecordableError } from '../../ops/numerics/errors.js';
import type { WebgpuBackend } from '../../ops/webgpu/backend.js';
import { meet } from '../../ops/webgpu/knownAnswers.js';
import { record } from '../../ops/webgpu/recording.js';
import { type Batch, checkBatch } from '../calibrate/batch.js';
import { checkInputs, tensorsByNode } from '../calibrate/batchInputs.js';
import { graphOfModel, weightTensors } from '../graph/model.js';
import { Feeds } from './feeds.js';
import { type Output, outputOf } from './outputs.js';
import { RecordedPlan } from './recordedPlan.js';

/** Ops that give something else at each run, as tfjs calls them in graphs. */
const RANDOM = /Random|Multinomial|TruncatedNormal|Dropout/;

/**
 * Records what a model's `execute` does on the WebGPU backend for inputs of these shapes, to be run
 * again and again: buffers, pipelines and bindings are made once, and a run is one submission. That
 * takes a fraction of the time that the same programs take one by one.
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
  const backend = plannable(model, inputs);
  await backendLoaded('webgpu');
  await meet(backend).done;
  // compiles, uploads and packs; what is recorded afterwards finds it done
  tidy(() => void executed(model, inputs));
  const recorded = await validated(backend, () => {
    const made = recordPlan(backend, model, inputs);
    dispose(made.run(inputs));
    return made;
  });
  await stillAlive(OP, weightTensors(model)).catch((lost) => {
    recorded.dispose();
    throw lost;
  });
  return recorded;
}

const OP = 'plan';

/**
 * As `plan`, for a model that has run on inputs of these shapes before, which are checked, on a
 * backend whose kernels have given known answers. It is to be run at once: what the model packed
 * while it was recorded is there from then on.
 */
export function recordPlan(backend: WebgpuBackend, model: GraphModel, inputs: Batch): RecordedPlan {
  const feeds = new Feeds(backend, OP, tensorsByNode(OP, 'inputs', model, inputs));
  try {
    feeds.fill(OP, tensorsByNode(OP, 'inputs', model, inputs));
    const { recording, value } = record(backend, OP, () => looked(backend, model, feeds));
    for (const buffer of feeds.buffers()) recording.hold(buffer);
    for (const output of value.all) if (output.kind === 'onGpu') recording.hold(output.buffer);
    const byNode = (given: Batch) => tensorsByNode('plan.run', 'inputs', model, given);
    return new RecordedPlan(backend, recording, feeds, value.all, value.isOne, byNode);
  } catch (error) {
    feeds.dispose();
    throw error;
  }
}

/** @throws NotRecordableError where the device refuses what is made. */
async function validated(backend: WebgpuBackend, make: () => RecordedPlan): Promise<RecordedPlan> {
  const { device } = backend;
  device.pushErrorScope('validation');
  let made: RecordedPlan;
  try {
    made = make();
  } catch (error) {
    await device.popErrorScope();
    throw error;
  }
  const refusal = await device.popErrorScope();
  if (refusal === null) return made;
  made.dispose();
  throw new NotRecordableError(OP, `the device refuses a program (${refusal.message})`);
}

/** Runs the model, and says what came out; feeds and weights stay where they are. */
function looked(
  backend: WebgpuBackend,
  model: GraphModel,
  feeds: Feeds,
): { all: readonly Output[]; isOne: boolean } {
  let seen: { all: readonly Output[]; isOne: boolean } | undefined;
  tidy(() => {
    const made = executed(model, feeds.named());
    const all = [made].flat().map((tensor) => outputOf(OP, backend, tensor));
    seen = { all, isOne: !Array.isArray(made) };
  });
  return seen!;
}

/** @throws As `plan`, for all that can be seen before anything runs. */
export function plannable(model: GraphModel, inputs: Batch): WebgpuBackend {
  const graph = graphOfModel(OP, model);
  checkBatch(OP, inputs, 'inputs');
  checkInputs(OP, { model, graph, outputs: graph.outputs }, inputs, 'inputs');
  const { backendName } = engine();
  if (backendName !== 'webgpu') {
    const wayOut = 'Plans are of WebGPU; elsewhere run the model with execute.';
    throw new InvalidArgumentError(OP, 'the backend', 'webgpu', `${backendName}`, wayOut);
  }
  checkBackends(OP, weightTensors(model));
  for (const { name, op } of graph.nodes.values()) {
    if (RANDOM.test(op)) throw new NotRecordableError(OP, `${name} (${op}) differs at each run`);
  }
  return currentBackend<WebgpuBackend>();
}

/** @throws NotRecordableError for what only `executeAsync` runs. */
function executed(model: GraphModel, inputs: Batch): Tensor | Tensor[] {
  return whileAlive(OP, weightTensors(model), () => {
    try {
      return model.execute(inputs) as Tensor | Tensor[];
    } catch (error) {
      if (!(error instanceof Error) || !/dynamic|executeAsync/.test(error.message)) throw error;
      throw new NotRecordableError(OP, 'the model has control flow or outputs of any shape');
    }
  });
}
