import type * as tf from '@tensorflow/tfjs';
import {
  type CalibrationStats,
  calibrate,
  fuseGraph,
  type RewriteOptions,
  type RewriteResult,
  rewriteGraphAsync,
} from 'tfjs-hadanorm';
import { withConsoleBar } from '../../models/progress.js';
import { CALIBRATION } from '../../src/diffusion/calibration.js';
import { sample, trajectory } from '../../src/diffusion/sampler.js';
import type { Settings } from './flags.js';

/** Pictures of a model, and what drawing them took. */
export interface Drawn {
  /** float32 [labels, S, S, 3] in [−1, 1]. */
  readonly pictures: tf.Tensor4D;
  /** Median time of a step, in milliseconds. */
  readonly stepMs: number;
}

/** Labels spread evenly over the classes of a model. */
export function spreadLabels(count: number, classes: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor((i * classes) / count));
}

/** Statistics of the model's own trajectories, from other noise than that of the pictures. */
export async function calibrated(
  model: tf.GraphModel,
  classes: number,
  { seed, cfg }: Settings,
  signal: AbortSignal,
): Promise<CalibrationStats> {
  const { samples, steps, keep } = CALIBRATION;
  // the same function, in half the time
  const fused = fuseGraph(model);
  const batches = trajectory(fused, {
    labels: spreadLabels(samples, classes),
    noneLabel: classes,
    steps,
    keep,
    cfg,
    seed: (seed + 1) % 2 ** 32,
    signal,
  });
  try {
    return await withConsoleBar('calibrate', keep.length, (advance) =>
      calibrate(model, batches, {
        timestep: 'timestep',
        disposeBatches: true,
        signal,
        onProgress: () => advance(),
      }),
    );
  } finally {
    fused.dispose();
  }
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
  // the first one warms up
  const timed = times.length === 1 ? times : times.slice(1);
  return { pictures, stepMs: timed.sort((a, b) => a - b)[timed.length >> 1]! };
}
