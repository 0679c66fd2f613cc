import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose } from '@tensorflow/tfjs-core';
import { stillAlive } from '../../ops/common/alive.js';
import { checkCallback } from '../../ops/common/callers.js';
import { checkInteger, checkOptions, checkPlain } from '../../ops/common/checks.js';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { calibrate } from '../calibrate/calibrate.js';
import type { CalibrationStats } from '../calibrate/stats.js';
import { checkModel } from '../graph/model.js';
import { fuseGraph } from '../passes/fuseGraph.js';
import { spreadLabels } from './labels.js';
import type { DitInputs, VelocityModel } from './model.js';
import type { SampleProgress, TrajectoryOptions } from './options.js';
import { numClassesOf } from './samplePlan.js';
import { trajectory } from './sampler.js';
import { calibrateBySchedule, type ScheduleCalibrationOptions } from './scheduleCalibration.js';

/** So many samples, followed over so many steps, of which these are kept. */
export interface TrajectoryRecipe {
  readonly samples: number;
  readonly steps: number;
  readonly keep: readonly number[];
}

/** What a trained model is calibrated on, where nothing else is said. */
export const CALIBRATION = {
  samples: 16,
  steps: 20,
  keep: [1, 5, 10, 15, 19],
} as const satisfies TrajectoryRecipe;

/** How to calibrate on trajectories: as they are sampled, and what is kept of them. */
export interface TrajectoryCalibrationOptions
  extends Omit<TrajectoryOptions, 'labels' | 'steps' | 'keep'> {
  /** Default `CALIBRATION`. */
  readonly recipe?: TrajectoryRecipe;
  /** Of the samples. Default as many as the recipe says, spread over the model's classes. */
  readonly labels?: readonly number[];
  /**
   * Whose trajectories. Default the model's with its ops fused: the same function up to rounding,
   * in half the time.
   */
  readonly along?: VelocityModel;
}

/**
 * Statistics of a diffusion transformer on samples on their way from seeded noise to data, apart by
 * time.
 *
 * @param model A DiT as `buildDit` names its inputs, or with a `schedule` a model of
 * `loadCheckpoint`. It stays the caller's.
 * @param options Of a DiT how it is sampled; or those of `denoiseSteps`, `keep` being five steps by
 * default. `onProgress` is called after each step of the trajectories.
 * @throws InvalidArgumentError for options that do not fit the model, or a model that does not say
 * how many classes it has where labels are not given; AbortedError when cancelled.
 */
export async function calibrateOnTrajectories(
  model: GraphModel,
  options?: TrajectoryCalibrationOptions,
): Promise<CalibrationStats>;
export async function calibrateOnTrajectories(
  model: GraphModel,
  options: ScheduleCalibrationOptions,
): Promise<CalibrationStats>;
export async function calibrateOnTrajectories(
  model: GraphModel,
  options: TrajectoryCalibrationOptions | ScheduleCalibrationOptions = {},
): Promise<CalibrationStats> {
  const op = 'calibrateOnTrajectories';
  checkModel(op, model);
  checkPlain(op, 'options', options);
  if ('schedule' in options) return calibrateBySchedule(op, model, options);
  const { recipe = CALIBRATION, along, labels, onProgress, ...sampling } = options;
  checkCallback(op, 'onProgress', onProgress);
  checkOptions(op, recipe, ['samples', 'steps', 'keep'], 'recipe');
  const { samples, steps, keep } = recipe;
  if (labels === undefined) checkInteger(op, 'recipe.samples', samples, 1);
  const classes = numClassesOf(model);
  const plan = {
    ...(classes === undefined ? {} : { noneLabel: classes }),
    ...sampling,
    onProgress: (progress: SampleProgress) => onProgress?.({ ...progress, stage: 'calibrate' }),
    labels: labels ?? spreadLabels(samples, classes ?? missingClasses()),
    steps,
    keep,
  };
  const fused = along === undefined ? fuseGraph(model) : null;
  try {
    return await calibrate(model, trajectory(along ?? fused!, plan, op), {
      timestep: 'timestep',
      disposeBatches: true,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } finally {
    fused?.dispose();
  }
}

/**
 * The inputs of a trajectory all together, to measure on; the caller's.
 *
 * @throws As `trajectory`, with nothing left behind.
 */
export async function collectTrajectory(
  model: VelocityModel,
  options: TrajectoryOptions,
): Promise<DitInputs[]> {
  const batches: DitInputs[] = [];
  try {
    for await (const batch of trajectory(model, options, 'collectTrajectory')) batches.push(batch);
    const tensors = batches.flatMap((batch) => Object.values(batch));
    await stillAlive('collectTrajectory', tensors);
    return batches;
  } catch (error) {
    dispose(batches);
    throw error;
  }
}

function missingClasses(): never {
  const wanted = 'given for a model that does not say how many classes it has';
  throw new InvalidArgumentError('calibrateOnTrajectories', 'labels', wanted, 'none');
}
