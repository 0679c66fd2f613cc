import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { Progress } from '../../ops/common/progress.js';
import { calibrate } from '../calibrate/calibrate.js';
import type { CalibrationStats } from '../calibrate/stats.js';
import { type DenoiseStepsOptions, denoiseSteps } from './denoise.js';

/** How to calibrate a model of `loadCheckpoint`: as it is sampled, and the steps that count. */
export interface ScheduleCalibrationOptions extends DenoiseStepsOptions {
  /** Default five, spread over the schedule. */
  readonly keep?: readonly number[];
}

/** Statistics of a model on samples on their way by a schedule, apart by time. */
export async function calibrateBySchedule(
  op: string,
  model: GraphModel,
  { onProgress, ...options }: ScheduleCalibrationOptions,
): Promise<CalibrationStats> {
  const { steps } = options.schedule ?? {};
  const batches = denoiseSteps(
    model,
    {
      ...options,
      ...(options.keep === undefined && steps !== undefined && { keep: spreadSteps(steps) }),
      ...(onProgress && {
        onProgress: (progress: Progress) => onProgress({ ...progress, stage: 'calibrate' }),
      }),
    },
    op,
  );
  return calibrate(model, batches, {
    timestep: 'timestep',
    disposeBatches: true,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** At most five steps, evenly spread. */
export function spreadSteps(steps: number): number[] {
  const count = Math.min(5, steps);
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * steps) / count));
}
