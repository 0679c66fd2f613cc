import {
  add,
  clone,
  concat,
  fill,
  mul,
  nextFrame,
  slice,
  sub,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  tensor,
  tensor1d,
  tidy,
} from '@tensorflow/tfjs-core';
import { normalNumbers } from './random.js';
import { planOf, type SamplePlan } from './samplePlan.js';

/** Inputs of a DiT, as `buildDit` names them: float32 [B, S, S, C], float32 [B] in [0, 1], int32 [B]. */
export type DitInputs = {
  readonly latent: Tensor4D;
  readonly timestep: Tensor1D;
  readonly label: Tensor1D;
};

/** What the sampler needs of a model: a graph model of `buildDit`, quantized or not. */
export interface VelocityModel {
  readonly inputs: readonly { readonly name: string; readonly shape?: number[] | undefined }[];
  /** Where it has `dit`, a DitConfig, labels are checked and `noneLabel` is known. */
  readonly metadata?: object;
  predict(inputs: Record<string, Tensor>): Tensor | Tensor[] | Record<string, Tensor>;
}

/** How to sample. */
export interface SampleOptions {
  /** The label of each sample; as many samples as labels. */
  readonly labels: readonly number[];
  /** Euler steps from noise (t = 0) to data (t = 1). Default 20. */
  readonly steps?: number;
  /** Of the noise: an integer ≥ 0. Default 0. */
  readonly seed?: number;
  /** Guidance: v = none + cfg · (label − none). Default 1: none, and half the work. */
  readonly cfg?: number;
  /** The label that stands for none, for guidance. Default the model's numClasses. */
  readonly noneLabel?: number;
  /** Stops before the next step, by throwing the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each step. */
  readonly onProgress?: (done: number, total: number) => void;
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
 * Follows samples from noise to data, and yields what the model is run on at each step, for calibration say.
 *
 * With guidance the yielded batch is twice as long: the labels, then none. Yielded tensors belong to the caller.
 *
 * @throws InvalidArgumentError at once, for options that do not fit the model.
 */
export function eulerTrajectory(
  model: VelocityModel,
  options: TrajectoryOptions,
): AsyncGenerator<DitInputs, void> {
  const plan = planOf('eulerTrajectory', model, options);
  return follow(model, plan, options);
}

/**
 * Draws samples: float32 [labels, S, S, C], by Euler steps from seeded noise. Pictures are in [−1, 1], give or take.
 *
 * Between steps other tasks of the page get their turn.
 *
 * @throws InvalidArgumentError for options that do not fit the model.
 */
export async function sample(model: VelocityModel, options: SampleOptions): Promise<Tensor4D> {
  const plan = planOf('sample', model, options);
  const euler = new Euler(model, plan);
  try {
    for (let step = 0; step < plan.steps; step++) {
      await turn(options.signal);
      euler.advance(step);
      options.onProgress?.(step + 1, plan.steps);
    }
    return euler.latent.clone();
  } finally {
    euler.dispose();
  }
}

async function* follow(
  model: VelocityModel,
  plan: SamplePlan,
  { signal, onProgress }: TrajectoryOptions,
): AsyncGenerator<DitInputs, void> {
  const last = Math.max(...plan.keep);
  const euler = new Euler(model, plan);
  try {
    for (let step = 0; step <= last; step++) {
      await turn(signal);
      if (plan.keep.has(step)) yield euler.inputs(step);
      if (step < last) euler.advance(step);
      onProgress?.(step + 1, last + 1);
    }
  } finally {
    euler.dispose();
  }
}

/** Lets other tasks run, one of which may abort. */
async function turn(signal: AbortSignal | undefined): Promise<void> {
  await nextFrame();
  signal?.throwIfAborted();
}

/** Samples on their way; `latent` is its own. */
class Euler {
  latent: Tensor4D;

  constructor(
    private readonly model: VelocityModel,
    private readonly plan: SamplePlan,
  ) {
    this.latent = seededNormal(plan.shape, plan.seed) as Tensor4D;
  }

  /** What the model is run on at a step; the caller's. */
  inputs(step: number): DitInputs {
    const { labels, guidance, steps } = this.plan;
    const none = guidance === undefined ? [] : labels.map(() => guidance.none);
    const all = [...labels, ...none];
    return tidy(() => ({
      latent: guidance === undefined ? clone(this.latent) : concat([this.latent, this.latent]),
      timestep: fill([all.length], step / steps) as Tensor1D,
      label: tensor1d(all, 'int32'),
    }));
  }

  /** x ← x + v / steps. */
  advance(step: number): void {
    const moved = tidy(() => {
      const velocity = this.model.predict(this.inputs(step)) as Tensor4D;
      return add<Tensor4D>(this.latent, mul(this.guided(velocity), 1 / this.plan.steps));
    });
    this.latent.dispose();
    this.latent = moved;
  }

  dispose(): void {
    this.latent.dispose();
  }

  private guided(velocity: Tensor4D): Tensor4D {
    const { guidance, labels } = this.plan;
    if (guidance === undefined) return velocity;
    const labelled = slice(velocity, 0, labels.length);
    const none = slice(velocity, labels.length, labels.length);
    return add(none, mul(sub(labelled, none), guidance.cfg));
  }
}
