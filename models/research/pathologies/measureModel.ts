import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose } from '@tensorflow/tfjs-core';
import { calibrate, InvalidArgumentError } from '../../../src/index.js';
import { AVATAR_STYLES } from '../../classNames.js';
import { type Ablation, ablate } from './ablation.js';
import { drawPictures, flowBatches, type LabelledPictures, TIMES } from './flowBatches.js';
import { type ModelStatistics, observe } from './observe.js';

/** What was measured of one model. */
export interface MeasuredModel {
  readonly statistics: ModelStatistics;
  readonly ablation: Ablation;
}

/** Options of `measureModel`. */
export interface MeasureOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (step: Step, done: number, total: number) => void;
  /** Default: `AVATAR_PICTURES`. */
  readonly pictures?: PictureChoice;
  /** Default: `TIMES`. */
  readonly times?: readonly number[];
}

/** What is going on. */
export type Step = 'calibrate' | 'observe' | 'quantize';

/** Which pictures a model is calibrated on, and which others it is looked at with. */
export interface PictureChoice {
  readonly calibration: readonly (readonly [label: number, i: number])[];
  readonly heldOut: readonly (readonly [label: number, i: number])[];
}

/** Two of each style to calibrate on, and 8 that were kept from training, of every other style. */
export const AVATAR_PICTURES: PictureChoice = {
  calibration: AVATAR_STYLES.flatMap((_, label) => [0, 1].map((i) => [label, i] as const)),
  heldOut: Array.from({ length: 8 }, (_, i) => [2 * i + 1, 2900 + i] as const),
};

/** Of the noise. */
const SEEDS = { calibration: 8, heldOut: 7 };

/**
 * Statistics and ablation of a model that learned the avatars, at each time on the same pictures,
 * with noise of its own.
 *
 * @throws InvalidArgumentError for a model whose pictures are not avatars of 64 or 32 pixels.
 */
export async function measureModel(
  model: GraphModel,
  { signal, onProgress, pictures = AVATAR_PICTURES, times = TIMES }: MeasureOptions,
): Promise<MeasuredModel> {
  const size = pictureSize(model);
  const [seen, heldOut] = [pictures.calibration, pictures.heldOut].map((seeds) =>
    drawPictures(seeds, size),
  ) as [LabelledPictures, LabelledPictures];
  const abort = signal === undefined ? {} : { signal };
  const stats = await calibrate(model, flowBatches(seen, times, SEEDS.calibration), {
    ...abort,
    hessian: false,
    // of these the rewriter would measure its report: everything here is measured on other pictures
    samples: 1,
    tokensPerSample: 1,
    means: times.length * seen.labels.length,
    disposeBatches: true,
    onProgress: ({ batches }) => onProgress?.('calibrate', batches, times.length),
  });
  const statistics = await observe(model, flowBatches(heldOut, times, SEEDS.heldOut), {
    ...abort,
    onProgress: (done) => onProgress?.('observe', done, times.length),
  });
  const batches = [...flowBatches(heldOut, times, SEEDS.heldOut)];
  try {
    const ablation = await ablate(model, stats, batches, {
      ...abort,
      onProgress: (done, total) => onProgress?.('quantize', done, total),
    });
    return { statistics, ablation };
  } finally {
    dispose(batches);
  }
}

function pictureSize({ inputs }: GraphModel): number {
  const [, height, width, channels] = inputs.find(({ name }) => name === 'latent')?.shape ?? [];
  if ((height === 64 || height === 32) && width === height && channels === 3) return height;
  const wanted = 'one that draws avatars: latent [-1, 64, 64, 3] or [-1, 32, 32, 3]';
  throw new InvalidArgumentError('measureModel', 'model', wanted, `${height}×${width}×${channels}`);
}
