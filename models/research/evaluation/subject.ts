import type { GraphModel } from '@tensorflow/tfjs-converter';
import { clipByValue, type Tensor4D, tidy } from '@tensorflow/tfjs-core';
import { CALIBRATION } from '../../../src/diffusion/calibration.js';
import { type DitInputs, numClassesOf, trajectory } from '../../../src/diffusion/sampler.js';
import {
  CalibrationStats,
  calibrate,
  fuseGraph,
  InvalidArgumentError,
} from '../../../src/index.js';
import type { Described, FeatureNetwork } from '../features.js';
import { joinedReadings } from './readings.js';
import { batchesOf, disposeRecording, type Recording, record, type Watched } from './recording.js';

/** Of the noise that is calibrated on. */
const CALIBRATION_SEED = 1;

/** Steps of the model that calibration takes. */
export const CALIBRATION_RUNS = CALIBRATION.steps;

/**
 * A model, what was calibrated on it, and what it draws: what every configuration is compared with.
 */
export interface Subject {
  readonly name: string;
  readonly model: GraphModel;
  /** The same model with fused ops: exact, and faster. */
  readonly fused: GraphModel;
  readonly classes: number;
  readonly stats: CalibrationStats;
  readonly recordings: readonly Recording[];
  readonly network: FeatureNetwork;
  /** What the network reads in the recordings' pictures. */
  readonly originals: Described;
}

/** How a subject is made. */
export interface SubjectOptions {
  readonly name: string;
  readonly samples: number;
  readonly steps: number;
  readonly seed: number;
  readonly kept: KeptStatistics;
}

/** Statistics kept between runs, as bytes. */
export interface KeptStatistics {
  /** Null where there are none yet. */
  readonly read: () => Promise<Uint8Array | null>;
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/**
 * Calibrates a model and records its trajectories from other noise.
 *
 * @param model A DiT of models/builder/dit.ts that draws pictures; it stays the caller's.
 * @throws InvalidArgumentError for a model that does not say how many classes it has.
 */
export async function prepareSubject(
  model: GraphModel,
  network: FeatureNetwork,
  { name, samples, steps, seed, kept }: SubjectOptions,
  watched: Watched,
): Promise<Subject> {
  const classes = classesOf(model);
  // before the weights are on a GPU, which is not read in step
  const fused = fuseGraph(model);
  const recordings: Recording[] = [];
  const readings: Described[] = [];
  try {
    const stats = await calibrated(model, kept, watched);
    for (const batch of batchesOf(samples, classes, seed)) {
      const recording = await record(fused, batch, steps, watched);
      recordings.push(recording);
      readings.push(await read(network, recording.pictures));
    }
    const originals = joinedReadings(readings);
    return { name, model, fused, classes, stats, recordings, network, originals };
  } catch (error) {
    recordings.forEach(disposeRecording);
    fused.dispose();
    throw error;
  }
}

/**
 * What every configuration is calibrated on: samples on their way from noise to pictures. Each
 * batch is the taker's.
 */
export function calibrationBatches(
  model: GraphModel,
  { signal, onRun }: Watched,
): AsyncGenerator<DitInputs, void> {
  const classes = classesOf(model);
  const { samples, steps, keep } = CALIBRATION;
  return trajectory(model, {
    // in turn, as the pictures' are: with ten classes the first six twice
    labels: Array.from({ length: samples }, (_, i) => i % classes),
    noneLabel: classes,
    steps,
    keep,
    seed: CALIBRATION_SEED,
    signal,
    onProgress: () => onRun(),
  });
}

/** How the batches are taken, by `calibrate` and while a model is quantized. */
export const TAKEN = { timestep: 'timestep', disposeBatches: true } as const;

async function calibrated(
  model: GraphModel,
  { read, write }: KeptStatistics,
  watched: Watched,
): Promise<CalibrationStats> {
  const known = await read();
  if (known !== null) {
    for (let run = 0; run < CALIBRATION_RUNS; run++) watched.onRun();
    return CalibrationStats.deserialize(known);
  }
  const { signal } = watched;
  const stats = await calibrate(model, calibrationBatches(model, watched), { ...TAKEN, signal });
  await write(stats.serialize());
  return stats;
}

/** Gives up what `prepareSubject` made. */
export function disposeSubject({ fused, recordings }: Subject): void {
  recordings.forEach(disposeRecording);
  fused.dispose();
}

/** What a network reads in pictures as they are shown: clipped to [−1, 1]. */
export async function read(network: FeatureNetwork, pictures: Tensor4D): Promise<Described> {
  const shown = tidy(() => clipByValue(pictures, -1, 1));
  try {
    return await network.describe(shown);
  } finally {
    shown.dispose();
  }
}

function classesOf(model: GraphModel): number {
  const classes = numClassesOf(model);
  if (classes !== undefined) return classes;
  const wanted = 'a DiT of models/builder/dit.ts, whose metadata.dit says numClasses';
  throw new InvalidArgumentError('prepareSubject', 'model', wanted, 'one without');
}
