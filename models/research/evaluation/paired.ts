import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, slice, type Tensor4D } from '@tensorflow/tfjs-core';
import { type Batch, evaluateLinears, type QuantizationReport } from '../../../src/index.js';
import {
  type Energies,
  energiesByPicture,
  mean,
  psnrDecibels,
  sqnrDecibels,
  sumOfEnergies,
} from '../../../src/math/decibels.js';
import type { Described } from '../features.js';
import { agreementOf, classAccuracy, joinedReadings } from './readings.js';
import { drawAgain, teacherForced, type Watched } from './recording.js';
import type { PairedRow, RowKey } from './rows.js';
import { read, type Subject } from './subject.js';

/** Samples, of the first recording, on which linears are evaluated at every step. */
const LINEAR_SAMPLES = 8;

/** The recordings on which the velocity is compared, which varies less than pictures do. */
const FORCED_RECORDINGS = 4;

/** The runs that `measurePaired` takes. */
export function pairedRuns({ recordings }: Subject): number {
  const steps = recordings[0]!.inputs.length;
  const forced = Math.min(recordings.length, FORCED_RECORDINGS);
  return steps * (1 + forced + recordings.length);
}

/** What `measurePaired` measures: a row without its key. */
export type PairedFigures = Omit<PairedRow, keyof RowKey | 'samples'>;

/**
 * Parts (a) to (c) of one configuration: its linears, its velocity on the original's trajectory,
 * and its pictures from the original's noise.
 *
 * @param small What `rewriteGraph` made of `subject.model`, with its report.
 * @param onPictures Gets each batch of pictures, while they live.
 */
export async function measurePaired(
  subject: Subject,
  small: { readonly model: GraphModel; readonly report: QuantizationReport },
  watched: Watched,
  onPictures: (pictures: Tensor4D) => Promise<void> = async () => {},
): Promise<PairedFigures> {
  const linears = await measureLinears(subject, small, watched);
  const forced: Energies[][] = [];
  const pictures: Energies[] = [];
  const readings: Described[] = [];
  for (const recording of subject.recordings.slice(0, FORCED_RECORDINGS)) {
    forced.push(await teacherForced(small.model, recording, watched));
  }
  for (const recording of subject.recordings) {
    const drawn = await drawAgain(small.model, recording, watched);
    try {
      await onPictures(drawn);
      const exact = await recording.pictures.data<'float32'>();
      const approximate = await drawn.data<'float32'>();
      pictures.push(...energiesByPicture(exact, approximate, drawn.shape[0]));
      readings.push(await read(subject.network, drawn));
    } finally {
      drawn.dispose();
    }
  }
  const steps = forced[0]!.map((_, step) =>
    sqnrDecibels(sumOfEnergies(forced.map((recording) => recording[step]!))),
  );
  const described = joinedReadings(readings);
  const labels = subject.recordings.flatMap((recording) => recording.labels);
  const { after, before } = small.report.totals.modelBytes;
  return {
    size: after / before,
    linears,
    velocity: { mean: mean(steps), steps },
    psnr: psnrDecibels(sumOfEnergies(pictures)),
    pictures: pictures.map((energies) => psnrDecibels(energies)),
    ...agreementOf(subject.originals, described),
    classAccuracy: classAccuracy(described.classes, labels),
    originalAccuracy: classAccuracy(subject.originals.classes, labels),
  };
}

async function measureLinears(
  { model, recordings }: Subject,
  small: { readonly model: GraphModel; readonly report: QuantizationReport },
  { signal, onRun }: Watched,
): Promise<PairedFigures['linears']> {
  const transformed = new Set(
    small.report.linears
      .filter(({ treatment }) => treatment === 'transformed')
      .map(({ name }) => name),
  );
  const batches = firstSamples(recordings[0]!.inputs);
  const all = await evaluateLinears(model, small.model, batches, {
    signal,
    onProgress: () => onRun(),
  });
  const kept = all.filter(({ name }) => transformed.has(name));
  const roles = [...new Set(kept.map(({ role }) => role))];
  const meanOf = (wanted: string) =>
    mean(kept.filter(({ role }) => role === wanted).map(({ output }) => output));
  return {
    mean: mean(kept.map(({ output }) => output)),
    least: Math.min(...kept.map(({ output }) => output)),
    roles: Object.fromEntries(roles.map((role) => [role, meanOf(role)])),
  };
}

/** The first samples of each step's inputs, which live until the next are asked for. */
function* firstSamples(inputs: Subject['recordings'][number]['inputs']): Generator<Batch> {
  for (const { latent, timestep, label } of inputs) {
    const count = Math.min(LINEAR_SAMPLES, label.shape[0]);
    const batch = {
      latent: slice(latent, 0, count),
      timestep: slice(timestep, 0, count),
      label: slice(label, 0, count),
    };
    try {
      yield batch;
    } finally {
      dispose(batch);
    }
  }
}
