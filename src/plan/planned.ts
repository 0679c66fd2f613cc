import type { GraphModel } from '@tensorflow/tfjs-converter';
import { engine, env, Tensor } from '@tensorflow/tfjs-core';
import { currentBackend } from '../../ops/common/kernel.js';
import { isWatched } from '../../ops/common/watch.js';
import { backendLoaded } from '../../ops/common/withBackend.js';
import { BoundedMap } from '../../ops/numerics/boundedMap.js';
import { NotRecordableError } from '../../ops/numerics/errors.js';
import type { WebgpuBackend } from '../../ops/webgpu/backend.js';
import { DOT4_FLAG, PLANS_FLAG, QUICK_FLAG } from '../../ops/webgpu/flag.js';
import type { Batch } from '../feed/batch.js';
import type { RecordedPlan } from './recordedPlan.js';
import { type Execute, keepExecute } from './unplanned.js';

/** Shapes of inputs that a model has plans for at a time. */
const MOST_PLANS = 4;

/** What records; loaded where a model runs on WebGPU. */
export type Recorder = typeof import('./plan.js');

/** How often inputs of some shapes have come, and what runs them. */
interface Seen {
  runs: number;
  /** Whether a plan has been tried: it is not twice. */
  tried: boolean;
  plan: RecordedPlan | null;
  /** Whether the device has taken the plan. */
  accepted: boolean;
}

env().registerFlag(PLANS_FLAG, () => true);

/**
 * Has a model's `execute` and `predict` run from a recorded plan on WebGPU, from the third call
 * with inputs of the same shapes on: that gives the same numbers in a fraction of the time. Calls
 * for other outputs than the model's, in a gradient, in a profile, or while somebody watches the
 * engine run as ever, and so does what cannot be recorded. Disposing of the model disposes of its
 * plans.
 */
export function planned(model: GraphModel): GraphModel {
  const own = keepExecute(model);
  if (own === null) return model;
  const planner = new Planner(model, own);
  model.execute = (inputs, outputs) => planner.execute(inputs, outputs);
  const dispose = model.dispose.bind(model);
  model.dispose = () => {
    planner.dispose();
    dispose();
  };
  return model;
}

/**
 * Waits for what records on WebGPU, the current backend, and for its kernels; null where it cannot
 * be loaded, which the console says.
 */
export async function recorderReady(): Promise<Recorder | null> {
  const backend = currentBackend<WebgpuBackend>();
  await recorderOf(backend);
  return readyRecorder(backend);
}

class Planner {
  private readonly seen = new BoundedMap<string, Seen>(MOST_PLANS, () => 1, letGo);

  constructor(
    private readonly model: GraphModel,
    private readonly own: Execute,
  ) {}

  execute(inputs: Batch, outputs?: string | string[]): ReturnType<Execute> {
    const key = this.isPlain(inputs, outputs) ? null : keyOf(inputs);
    if (key === null) return this.own(inputs, outputs);
    const backend = currentBackend<WebgpuBackend>();
    const place = `${idOf(backend)} ${key}`;
    if (this.seen.peek(place)?.accepted) return this.seen.get(place, newlySeen).plan!.run(inputs);
    const result = this.own(inputs, outputs);
    // what tfjs refuses does not get here, and takes no other's place
    const seen = this.seen.get(place, newlySeen);
    seen.runs++;
    const recorder = readyRecorder(backend);
    // the first run compiled, and put the weights where a record finds them
    const isDue = seen.runs > 1 && !seen.tried;
    if (isDue && recorder !== null) this.record(recorder, seen, inputs);
    return result;
  }

  dispose(): void {
    this.seen.clear();
  }

  private record(recorder: Recorder, seen: Seen, inputs: Batch): void {
    seen.tried = true;
    try {
      const backend = recorder.plannable(this.model, inputs);
      const { plan, accepted } = recorder.recordedOnce(backend, this.model, inputs);
      seen.plan = plan;
      accepted.then(
        () => {
          seen.accepted = true;
        },
        (error) => {
          seen.plan = null;
          toldWhy(error);
        },
      );
    } catch (error) {
      toldWhy(error);
    }
  }

  private isPlain(inputs: unknown, outputs: string | string[] | undefined): boolean {
    const { backendName, state } = engine();
    if (backendName !== 'webgpu' || !env().getBool(PLANS_FLAG)) return true;
    if (state.profiling || state.gradientDepth > 0 || isWatched()) return true;
    if ((currentBackend<WebgpuBackend>().activeTimers ?? null) !== null) return true;
    if (env().getBool('DEBUG') || inputs === null || typeof inputs !== 'object') return true;
    return outputs !== undefined && `${[outputs].flat()}` !== `${this.model.outputNodes}`;
  }
}

/** The model runs as it is then. */
function toldWhy(error: unknown): void {
  if (error instanceof NotRecordableError) return;
  console.warn(`tfjs-hadanorm: a model runs without a plan: ${error}`);
}

function newlySeen(): Seen {
  return { runs: 0, tried: false, plan: null, accepted: false };
}

/** A model's plan is given up, for others or with the model, whatever the device says of it. */
function letGo(seen: Seen): void {
  seen.plan?.dispose();
  seen.plan = null;
}

/** What tells runs apart that need plans of their own; null for what tfjs is to refuse. */
function keyOf(inputs: Batch): string | null {
  let key = `${env().getBool(DOT4_FLAG)} ${env().getBool(QUICK_FLAG)}`;
  const entries = inputs instanceof Tensor ? [['', inputs] as const] : Object.entries(inputs);
  for (const [name, tensor] of entries) {
    if (!(tensor instanceof Tensor) || tensor.isDisposed) return null;
    key += `;${name} ${tensor.dtype} ${tensor.shape}`;
  }
  return key;
}

let backends = 0;
const ids = new WeakMap<WebgpuBackend, number>();

/** A number for each backend: plans of one are of no use on another. */
function idOf(backend: WebgpuBackend): number {
  const id = ids.get(backend) ?? ++backends;
  ids.set(backend, id);
  return id;
}

const recorders = new WeakMap<WebgpuBackend, { ready: Recorder | null; all: Promise<void> }>();

function readyRecorder(backend: WebgpuBackend): Recorder | null {
  void recorderOf(backend);
  return recorders.get(backend)?.ready ?? null;
}

function recorderOf(backend: WebgpuBackend): Promise<void> {
  const known = recorders.get(backend);
  if (known !== undefined) return known.all;
  const made = { ready: null as Recorder | null, all: Promise.resolve() };
  recorders.set(backend, made);
  made.all = loadRecorder().then(
    (recorder) => {
      made.ready = recorder;
    },
    (error) => console.warn(`tfjs-hadanorm: models run without plans: ${error}`),
  );
  return made.all;
}

async function loadRecorder(): Promise<Recorder> {
  await backendLoaded('webgpu');
  const { webgpuReady } = await import('../../ops/webgpu/ready.js');
  await webgpuReady();
  return import('./plan.js');
}
