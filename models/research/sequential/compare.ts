import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, type TensorContainer } from '@tensorflow/tfjs-core';
import { CALIBRATION, collectTrajectory } from '../../../src/diffusion/calibration.js';
import { numClassesOf } from '../../../src/diffusion/sampler.js';
import { type Batch, fuseGraph, type PresetName, quantize } from '../../../src/index.js';
import {
  type Energies,
  energiesByPicture,
  mean,
  psnrDecibels,
  sqnrDecibels,
  sumOfEnergies,
} from '../../../src/math/decibels.js';
import { type Estimate, estimateOf, resamplings } from '../evaluation/bootstrap.js';
import {
  batchesOf,
  disposeRecording,
  drawAgain,
  type Recording,
  record,
  teacherForced,
  type Watched,
} from '../evaluation/recording.js';

/** What is compared. */
export interface ComparePlan {
  readonly preset: PresetName;
  readonly lowRank: number | 'auto';
  readonly samples: number;
  readonly steps: number;
  /** Of the noise, which calibration does not see. */
  readonly seed: number;
}

/** What one way of calibrating gives. */
export interface Calibrated {
  /** On the original's trajectory, mean over the steps, dB. */
  readonly velocity: number;
  /** Of each picture to the original's from the same noise, dB. */
  readonly pictures: readonly number[];
}

/** Both ways, and by how much the pictures of the second are nearer to the original's. */
export interface Comparison {
  readonly plain: Calibrated;
  readonly sequential: Calibrated;
  /** Mean over the pictures, dB, with its paired 95 % interval. */
  readonly difference: Estimate;
}

const CALIBRATION_SEED = 1;
const REPLICATES = 2000;
const TIMED = { timestep: 'timestep' };

/** Calibrates a DiT on its own trajectories, both ways, and draws the same pictures with each. */
export async function compareSequential(
  model: GraphModel,
  plan: ComparePlan,
  watched: Watched,
): Promise<Comparison> {
  const { preset, lowRank, samples, steps, seed } = plan;
  const classes = numClassesOf(model)!;
  const fused = fuseGraph(model);
  const labels = Array.from({ length: CALIBRATION.samples }, (_, i) => i % classes);
  const { keep } = CALIBRATION;
  const from = { labels, steps: CALIBRATION.steps, keep, seed: CALIBRATION_SEED };
  const batches = (await collectTrajectory(fused, from)).map((one): Batch => ({ ...one }));
  const made: GraphModel[] = [];
  try {
    for (const sequential of [false, true]) {
      const options = { preset, lowRank, sequential, calibrate: TIMED, signal: watched.signal };
      made.push((await quantize(model, batches, options)).model);
    }
    const sums = made.map((): Sums => ({ forced: [], pictures: [] }));
    for (const batch of batchesOf(samples, classes, seed)) {
      const recording = await record(fused, batch, steps, watched);
      try {
        for (const [i, one] of made.entries()) await addTo(sums[i]!, one, recording, watched);
      } finally {
        disposeRecording(recording);
      }
    }
    return comparisonOf(sums.map(calibratedOf));
  } finally {
    dispose(batches as TensorContainer);
    for (const one of [fused, ...made]) one.dispose();
  }
}

interface Sums {
  /** By batch and step. */
  readonly forced: Energies[][];
  readonly pictures: number[];
}

async function addTo(
  sums: Sums,
  model: GraphModel,
  recording: Recording,
  watched: Watched,
): Promise<void> {
  sums.forced.push(await teacherForced(model, recording, watched));
  const drawn = await drawAgain(model, recording, watched);
  try {
    const exact = await recording.pictures.data<'float32'>();
    const approximate = await drawn.data<'float32'>();
    const energies = energiesByPicture(exact, approximate, drawn.shape[0]);
    sums.pictures.push(...energies.map((one) => psnrDecibels(one)));
  } finally {
    drawn.dispose();
  }
}

function calibratedOf({ forced, pictures }: Sums): Calibrated {
  const steps = forced[0]!.map((_, step) =>
    sqnrDecibels(sumOfEnergies(forced.map((batch) => batch[step]!))),
  );
  return { velocity: mean(steps), pictures };
}

function comparisonOf([plain, sequential]: readonly Calibrated[]): Comparison {
  const apart = sequential!.pictures.map((dB, i) => dB - plain!.pictures[i]!);
  const replicates = resamplings(apart.length, REPLICATES, 1).map((counts) =>
    mean(apart.map((dB, i) => dB * counts[i]!)),
  );
  const difference = estimateOf(mean(apart), replicates);
  return { plain: plain!, sequential: sequential!, difference };
}
