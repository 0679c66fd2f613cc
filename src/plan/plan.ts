import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, engine, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { checkBackends, stillAlive, whileAlive } from '../../ops/common/alive.js';
import { currentBackend } from '../../ops/common/kernel.js';
import { backendLoaded } from '../../ops/common/withBackend.js';
import { InvalidArgumentError, NotRecordableError } from '../../ops/numerics/errors.js';
import type { WebgpuBackend } from '../../ops/webgpu/backend.js';
import { meet } from '../../ops/webgpu/knownAnswers.js';
import { record } from '../../ops/webgpu/recording.js';
import { type Batch, checkBatch } from '../feed/batch.js';
import { checkInputs, tensorsByNode } from '../feed/batchInputs.js';
import { graphOfModel, weightTensors } from '../graph/model.js';
import { Feeds } from './feeds.js';
import { type Output, outputOf } from './outputs.js';
import { RecordedPlan } from './recordedPlan.js';
import { executeUnplanned } from './unplanned.js';

/** Ops that give something else at each run, as tfjs calls them in graphs. */
const RANDOM = /Random|Multinomial|TruncatedNormal|Dropout/;

/** See the package's `plan`, which loads this where it is called. */
export async function plan(model: GraphModel, inputs: Batch): Promise<RecordedPlan> {
  const backend = plannable(model, inputs);
  await backendLoaded('webgpu');
  await meet(backend).done;
  // compiles, uploads and packs; what is recorded afterwards finds it done
  tidy(() => void executed(model, inputs));
  const { plan: recorded, accepted } = recordedOnce(backend, model, inputs);
  await accepted;
  await stillAlive(OP, weightTensors(model)).catch((lost) => {
    recorded.dispose();
    throw lost;
  });
  return recorded;
}

const OP = 'plan';

/** A plan that the device may still refuse. */
export interface OfferedPlan {
  readonly plan: RecordedPlan;
  /** Rejects with NotRecordableError where the device refuses it; the plan is disposed of then. */
  readonly accepted: Promise<void>;
}

/**
 * As `plan`, for a model that has run on inputs of these shapes before, on a backend whose kernels
 * have given known answers. It has done all with the inputs when it returns.
 */
export function recordedOnce(
  backend: WebgpuBackend,
  model: GraphModel,
  inputs: Batch,
): OfferedPlan {
  return offered(backend, () => {
    const made = recordPlan(backend, model, inputs);
    // what is packed on the way is there from then on
    dispose(made.run(inputs));
    return made;
  });
}

/**
 * As `plan`, for a model that has run on inputs of these shapes before, which are checked, on a
 * backend whose kernels have given known answers. It is to be run at once: what the model packed
 * while it was recorded is there from then on.
 */
export function recordPlan(backend: WebgpuBackend, model: GraphModel, inputs: Batch): RecordedPlan {
  const feeds = new Feeds(backend, OP, tensorsByNode(OP, 'inputs', model, inputs));
  try {
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

/** The device refuses what is made, or has no memory for it, later. */
function offered({ device }: WebgpuBackend, make: () => RecordedPlan): OfferedPlan {
  for (const filter of ['validation', 'out-of-memory'] as const) device.pushErrorScope(filter);
  const refusals = () => Promise.all([device.popErrorScope(), device.popErrorScope()]);
  let made: RecordedPlan;
  try {
    made = make();
  } catch (error) {
    refusals().catch(() => {}); // of a device that is lost meanwhile
    throw error;
  }
  return { plan: made, accepted: acceptance(made, refusals()) };
}

async function acceptance(
  made: RecordedPlan,
  refusals: Promise<readonly (GPUError | null)[]>,
): Promise<void> {
  const refusal = (await refusals).find((one) => one !== null);
  if (refusal === undefined) return;
  made.dispose();
  throw new NotRecordableError(OP, `the device refuses it (${refusal.message})`);
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
      return executeUnplanned(model, inputs) as Tensor | Tensor[];
    } catch (error) {
      if (!(error instanceof Error) || !/dynamic|executeAsync/.test(error.message)) throw error;
      throw new NotRecordableError(OP, 'the model has control flow or outputs of any shape');
    }
  });
}
