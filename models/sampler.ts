import { nextFrame, type Tensor, type Tensor4D, tensor } from '@tensorflow/tfjs-core';
import { type DitInputs, Flow, type VelocityModel } from './flow.js';
import { normalNumbers } from './random.js';
import { planOf, type SamplePlan, type Solver } from './samplePlan.js';

export type { DitInputs, VelocityModel } from './flow.js';
export { numClassesOf, SOLVERS, type Solver } from './samplePlan.js';

/** How to sample. */
export interface SampleOptions {
  /** The label of each sample; as many samples as labels. */
  readonly labels: readonly number[];
  /** Steps from noise (t = 0) to data (t = 1). Default 20. */
  readonly steps?: number;
  /**
   * `euler` (default) runs the model once a step and is of first order. `heun` is of second order: it runs the model twice
   * a step, and once in the last.
   */
  readonly solver?: Solver;
  /** Of the noise: an integer ≥ 0. Default 0. */
  readonly seed?: number;
  /** Guidance: v = none + cfg · (label − none). Default 1: none, and half the work. */
  readonly cfg?: number;
  /** The label that stands for none, for guidance. Default the model's numClasses. */
  readonly noneLabel?: number;
  /** Stops before the model is run again, by throwing the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each step. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** How to draw samples. */
export interface DrawOptions extends SampleOptions {
  /**
   * Called after each step, before `onProgress`, with the samples as they are then: [B, S, S, C], noise and picture mixed
   * until the last. They stay the sampler's, which waits for what this returns.
   */
  readonly onStep?: (samples: Tensor4D, done: number, total: number) => void | Promise<void>;
}

/** How to follow a trajectory. */
export interface TrajectoryOptions extends SampleOptions {
  /** The steps to yield, from 0. Default all. Steps after the last of them are not taken. */
  readonly keep?: readonly number[];
}

/** Normally distributed float32 noise: the same values for a seed, whatever the backend. */
export function seededNormal(shape: readonly number[], seed: number): Tensor {
  const next = normalNumbers(seed);
  const size = shape.reduce((product, dim) => product * dim, 1);
  return tensor(Float32Array.from({ length: size }, next), [...shape], 'float32');
}

/**
 * Follows samples from noise to data, and yields what the model is run on at each step, for calibration say: one batch a
 * step, with Heun as many as it runs the model.
 *
 * With guidance the yielded batch is twice as long: the labels, then none. Yielded tensors belong to the caller.
 *
 * @throws InvalidArgumentError at once, for options that do not fit the model.
 */
export function trajectory(
  model: VelocityModel,
  options: TrajectoryOptions,
): AsyncGenerator<DitInputs, void> {
  return follow(model, planOf('trajectory', model, options), options);
}

/**
 * Draws samples: float32 [labels, S, S, C], from seeded noise. Pictures are in [−1, 1], give or take.
 *
 * Between steps other tasks of the page get their turn.
 *
 * @throws InvalidArgumentError for options that do not fit the model.
 */
export async function sample(model: VelocityModel, options: DrawOptions): Promise<Tensor4D> {
  const plan = planOf('sample', model, options);
  const flow = begin(model, plan);
  try {
    while (flow.step < plan.steps) {
      await turn(options.signal);
      const { completesStep } = flow;
      flow.evaluate();
      if (!completesStep) continue;
      if (options.onStep !== undefined) await lend(flow, plan, options.onStep);
      options.onProgress?.(flow.step, plan.steps);
    }
    return flow.samples();
  } finally {
    flow.dispose();
  }
}

async function* follow(
  model: VelocityModel,
  plan: SamplePlan,
  { signal, onProgress }: TrajectoryOptions,
): AsyncGenerator<DitInputs, void> {
  const total = Math.max(...plan.keep) + 1;
  const flow = begin(model, plan);
  try {
    for (let done = 0; done < total; ) {
      await turn(signal);
      const { step, completesStep } = flow;
      if (plan.keep.has(step)) yield flow.inputs();
      if (completesStep) done++;
      // where the last step ends nobody asks
      if (done < total) flow.evaluate();
      if (completesStep) onProgress?.(done, total);
    }
  } finally {
    flow.dispose();
  }
}

async function lend(
  flow: Flow,
  { steps }: SamplePlan,
  onStep: NonNullable<DrawOptions['onStep']>,
): Promise<void> {
  const samples = flow.samples();
  try {
    await onStep(samples, flow.step, steps);
  } finally {
    samples.dispose();
  }
}

function begin(model: VelocityModel, plan: SamplePlan): Flow {
  return new Flow(model, plan, seededNormal(plan.shape, plan.seed) as Tensor4D);
}

/** Lets other tasks run, one of which may abort. */
async function turn(signal: AbortSignal | undefined): Promise<void> {
  await nextFrame();
  signal?.throwIfAborted();
}
