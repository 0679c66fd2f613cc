import { type NamedTensorMap, nextFrame, type Tensor4D } from '@tensorflow/tfjs-core';
import { checkBackends, stillAlive, throughout } from '../../ops/common/alive.js';
import { throwIfAborted } from '../../ops/common/callers.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { DENOISE_OPTIONS, type DenoiseOptions, denoisePlan } from './denoisePlan.js';
import { Denoiser } from './denoiser.js';
import type { DenoisingModel } from './model.js';

export type { DenoiseOptions } from './denoisePlan.js';
export type { DenoisingModel } from './model.js';

/** How to follow samples: see `denoiseSteps`. */
export interface DenoiseStepsOptions extends DenoiseOptions {
  /** The steps to yield, from 0. Default all. Steps after the last of them are not taken. */
  readonly keep?: readonly number[];
}

/**
 * Draws latents with a model of `loadCheckpoint`, quantized or not: float32 [B, H, W, C] from
 * seeded noise, by a schedule.
 *
 * A model that predicts twice the channels has learned the variance: DDPM takes it, the others
 * leave it. Between steps other tasks of the page get their turn; progress is told after each
 * step. A VAE's decoder, of another library, makes pictures of latents.
 *
 * @throws InvalidArgumentError for options that do not fit the model; AbortedError when cancelled;
 * WebglContextLostError, WebgpuDeviceLostError where the backend's device is lost.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import 'tfjs-hadanorm';
 * import { denoise, loadCheckpoint, noiseSchedule } from 'tfjs-hadanorm/load';
 * import { checkpointFiles } from 'tfjs-hadanorm/node';
 *
 * const model = await loadCheckpoint(checkpointFiles('test/fixtures/checkpoints/dit'));
 * // the hub's scheduler_config.json
 * const config = { _class_name: 'DDIMScheduler', beta_schedule: 'linear', clip_sample: false };
 * const latents = await denoise(model, {
 *   schedule: noiseSchedule(config, { steps: 4 }),
 *   inputs: { label: tf.tensor1d([1, 3], 'int32') },
 *   guidance: { scale: 4, inputs: { label: tf.tensor1d([5, 5], 'int32') } }, // 5 is none
 *   seed: 7,
 * });
 * console.log(latents.shape);
 * ```
 */
export async function denoise(model: DenoisingModel, options: DenoiseOptions): Promise<Tensor4D> {
  const op = 'denoise';
  const plan = denoisePlan(op, model, options);
  const denoiser = new Denoiser(op, model, plan);
  const { steps } = plan.schedule;
  try {
    for (let done = 0; denoiser.evaluation !== undefined; ) {
      await turn(op, denoiser, options.signal);
      const { completesStep } = denoiser.evaluation;
      await throughout(op, denoiser.tensors(), () => denoiser.evaluate());
      if (!completesStep) continue;
      done++;
      options.onProgress?.({ stage: 'sample', done, total: steps, name: '' });
    }
    await stillAlive(op, denoiser.tensors());
    return denoiser.latents();
  } finally {
    denoiser.dispose();
  }
}

/**
 * Follows samples as `denoise` draws them, and yields what the model is run on: a batch for each
 * run, twice as long with guidance. Yielded tensors belong to the caller.
 *
 * @param op Who is named in errors.
 * @throws InvalidArgumentError at once, for options that do not fit the model; later as `denoise`.
 */
export function denoiseSteps(
  model: DenoisingModel,
  options: DenoiseStepsOptions,
  op = 'denoiseSteps',
): AsyncGenerator<NamedTensorMap, void> {
  const plan = denoisePlan(op, model, options, [...DENOISE_OPTIONS, 'keep']);
  const { steps } = plan.schedule;
  const { keep = Array.from({ length: steps }, (_, i) => i), ...rest } = options;
  checkKeep(op, keep, steps);
  return follow(op, new Denoiser(op, model, plan), keep, rest);
}

async function* follow(
  op: string,
  denoiser: Denoiser,
  keep: readonly number[],
  { signal, onProgress }: Pick<DenoiseOptions, 'signal' | 'onProgress'>,
): AsyncGenerator<NamedTensorMap, void> {
  const total = Math.max(...keep) + 1;
  try {
    for (let step = 0; step < total && denoiser.evaluation !== undefined; ) {
      await turn(op, denoiser, signal);
      const { completesStep } = denoiser.evaluation;
      if (keep.includes(step)) yield denoiser.inputs();
      if (completesStep) step++;
      // where the last step ends nobody asks
      if (step < total) await throughout(op, denoiser.tensors(), () => denoiser.evaluate());
      if (completesStep) onProgress?.({ stage: 'sample', done: step, total, name: '' });
    }
  } finally {
    denoiser.dispose();
  }
}

/** Lets other tasks run, one of which may abort, or lose what there is. */
async function turn(op: string, denoiser: Denoiser, signal: AbortSignal | undefined) {
  await nextFrame();
  throwIfAborted(op, signal);
  checkBackends(op, denoiser.tensors());
}

function checkKeep(op: string, keep: unknown, steps: number): void {
  const isStep = (step: unknown) =>
    Number.isInteger(step) && Number(step) >= 0 && Number(step) < steps;
  if (Array.isArray(keep) && keep.length > 0 && keep.every(isStep)) return;
  const wanted = `one or more integers in [0, ${steps - 1}]`;
  throw new InvalidArgumentError(op, 'keep', wanted, describe(keep));
}
