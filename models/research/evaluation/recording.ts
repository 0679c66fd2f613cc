import { clone, dispose, keep, nextFrame, type Tensor4D } from '@tensorflow/tfjs-core';
import { seedOf } from '../../../ops/numerics/random.js';
import { type DitInputs, sample, type VelocityModel } from '../../../src/diffusion/sampler.js';
import { type Energies, energiesOf } from '../../../src/math/decibels.js';

/** Samples of a batch. */
const BATCH = 16;

/**
 * The original's Euler trajectory from seeded noise, at every step. Its tensors are the holder's:
 * `disposeRecording`.
 */
export interface Recording {
  readonly labels: readonly number[];
  readonly seed: number;
  /** By step. */
  readonly inputs: readonly DitInputs[];
  /** By step, what the original says: [B · S · S · C]. */
  readonly velocities: readonly Float32Array[];
  /** What it ends in, as `sample` draws it. */
  readonly pictures: Tensor4D;
}

/** How long work is, and how it is watched. */
export interface Watched {
  readonly signal: AbortSignal;
  /** Called after each run of the model. */
  readonly onRun: () => void;
}

/**
 * Labels and seeds of batches of pictures: labels evenly spread, noise that depends on the seed and
 * the batch alone.
 */
export function batchesOf(count: number, classes: number, seed: number, size = BATCH) {
  return Array.from({ length: Math.ceil(count / size) }, (_, batch) => ({
    labels: Array.from(
      { length: Math.min(size, count - batch * size) },
      (_, i) => (batch * size + i) % classes,
    ),
    seed: seedOf(`evaluation ${batch}`, seed),
  }));
}

/**
 * Follows the model from noise to pictures and keeps every step.
 *
 * @throws The signal's reason when aborted, with nothing left behind.
 */
export async function record(
  model: VelocityModel,
  { labels, seed }: { readonly labels: readonly number[]; readonly seed: number },
  steps: number,
  { signal, onRun }: Watched,
): Promise<Recording> {
  const inputs: DitInputs[] = [];
  const said: Tensor4D[] = [];
  // the sampler's own way through the model, overheard
  const overheard: VelocityModel = {
    inputs: model.inputs,
    metadata: model.metadata ?? {},
    predict: (given) => {
      const { latent, timestep, label } = given as DitInputs;
      inputs.push({
        latent: keep(clone(latent)),
        timestep: keep(clone(timestep)),
        label: keep(clone(label)),
      });
      const velocity = model.predict(given) as Tensor4D;
      said.push(keep(clone(velocity)));
      return velocity;
    },
  };
  const options = { labels, seed, steps, signal, onProgress: () => onRun() };
  try {
    const pictures = await sample(overheard, options);
    const velocities = await Promise.all(said.map((one) => one.data<'float32'>()));
    return { labels, seed, inputs, velocities, pictures };
  } catch (error) {
    dispose(inputs);
    throw error;
  } finally {
    dispose(said);
  }
}

/** Gives up a recording's tensors. */
export function disposeRecording({ inputs, pictures }: Recording): void {
  dispose([[...inputs], pictures]);
}

/**
 * Runs a quantized model on the very inputs of the original's trajectory, and compares what it
 * says.
 *
 * @returns Energies of the velocities by step.
 */
export async function teacherForced(
  model: VelocityModel,
  { inputs, velocities }: Recording,
  { signal, onRun }: Watched,
): Promise<Energies[]> {
  const steps: Energies[] = [];
  for (const [step, input] of inputs.entries()) {
    await nextFrame();
    signal.throwIfAborted();
    const velocity = model.predict(input) as Tensor4D;
    try {
      steps.push(energiesOf(velocities[step]!, await velocity.data<'float32'>()));
    } finally {
      velocity.dispose();
    }
    onRun();
  }
  return steps;
}

/**
 * Draws what a recording drew, from the same noise, by another model. The tensor is the caller's.
 */
export function drawAgain(
  model: VelocityModel,
  { labels, seed, inputs }: Recording,
  { signal, onRun }: Watched,
): Promise<Tensor4D> {
  return sample(model, { labels, seed, steps: inputs.length, signal, onProgress: () => onRun() });
}
