import type * as tf from '@tensorflow/tfjs';
import {
  type CalibrationStats,
  type RewriteOptions,
  type RewriteResult,
  rewriteGraphAsync,
} from 'tfjs-hadanorm';
import { withConsoleBar } from '../../models/progress.js';
import { CALIBRATION, calibrateOnTrajectories } from '../../src/diffusion/calibration.js';
import { sample } from '../../src/diffusion/sampler.js';
import { medianStep } from '../../src/diffusion/stepTime.js';
import type { Settings } from './flags.js';

/** Pictures of a model, and what drawing them took. */
export interface Drawn {
  /** float32 [labels, S, S, 3] in [−1, 1]. */
  readonly pictures: tf.Tensor4D;
  /** Median time of a step, in milliseconds. */
  readonly stepMs: number;
}

/** Statistics of the model's own trajectories, from other noise than that of the pictures. */
export function calibrated(
  model: tf.GraphModel,
  { seed, cfg }: Settings,
  signal: AbortSignal,
): Promise<CalibrationStats> {
  return withConsoleBar('calibrate', CALIBRATION.steps, (advance) =>
    calibrateOnTrajectories(model, {
      cfg,
      seed: (seed + 1) % 2 ** 32,
      signal,
      onProgress: () => advance(),
    }),
  );
}

/** Quantizes a model, which stays as it is. */
export function quantized(
  name: string,
  model: tf.GraphModel,
  options: RewriteOptions,
  signal: AbortSignal,
): Promise<RewriteResult> {
  return withConsoleBar(`quantize ${name}`, 1, (advance) =>
    rewriteGraphAsync(model, {
      ...options,
      signal,
      onProgress: ({ total }) => advance(total),
    }),
  );
}

/** Draws a picture of each label: every model from the same noise. */
export async function drawn(
  name: string,
  model: tf.GraphModel,
  labels: readonly number[],
  { steps, solver, cfg, seed }: Settings,
  signal: AbortSignal,
): Promise<Drawn> {
  const ends = [performance.now()];
  const pictures = await withConsoleBar(`sample ${name}`, steps, (advance) => {
    const onProgress = () => {
      ends.push(performance.now());
      advance();
    };
    return sample(model, { labels, steps, solver, cfg, seed, signal, onProgress });
  });
  const times = ends.slice(1).map((end, i) => end - ends[i]!);
  return { pictures, stepMs: medianStep(times) };
}
