import { extname } from 'node:path';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { CALIBRATION } from '../../diffusion/calibration.js';
import { denoiseSteps } from '../../diffusion/denoise.js';
import { spreadLabels } from '../../diffusion/labels.js';
import { numClassesOf } from '../../diffusion/samplePlan.js';
import { trajectory } from '../../diffusion/sampler.js';
import { spreadSteps } from '../../diffusion/scheduleCalibration.js';
import { fuseGraph } from '../../passes/fuseGraph.js';
import { arraysOf, MODULES, samplesOf } from './arrayFiles.js';
import { ofModule } from './batchModule.js';
import { conditionsOf, disposeGiven } from './conditions.js';
import { inputTensor } from './inputTensor.js';
import type { FileArray } from './npy.js';
import { checkUnscheduled, readSchedule, type ScheduleFlags } from './scheduler.js';
import type { Shard } from './values.js';

/** Where batches come from: see the flags of `withInputs`. */
export interface Inputs extends ScheduleFlags {
  /** Files of arrays, or one module. */
  readonly inputs?: readonly string[];
  /** Samples to follow, where there are no files. */
  readonly trajectories: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly shard?: Shard;
}

type Batches = AsyncGenerator<tf.NamedTensorMap, void>;

const OP = '--inputs';

/** Batches of a command's inputs, of its shard; the caller's, to be disposed of. */
export async function batchesOf(
  model: GraphModel,
  inputs: Inputs,
  signal: AbortSignal,
): Promise<Batches> {
  const files = inputs.inputs ?? [];
  if (inputs.scheduler !== undefined) return ofSchedule(model, inputs, signal);
  checkUnscheduled(inputs);
  if (files.length === 0) return ofTrajectories(model, inputs, signal);
  const modules = files.filter((file) => MODULES.includes(extname(file)));
  if (modules.length > 0 && files.length > 1) {
    throw new InvalidArgumentError(OP, 'FILE', 'arrays, or one module', files.join(' '));
  }
  const all =
    modules.length > 0 ? ofModule(model, modules[0]!) : await batchesOfFiles(model, inputs);
  return sharded(all, inputs.shard);
}

/** Every so-manieth batch. */
async function* sharded(
  batches: Batches,
  { index, count }: Shard = { index: 1, count: 1 },
): Batches {
  let at = 0;
  for await (const batch of batches) {
    if (at++ % count === index - 1) yield batch;
    else tf.dispose(batch);
  }
}

/**
 * Steps of the model's own samples, so many samples at a time; a shard follows only its own. Whose
 * noise it is depends on the place in the whole, so that shards together are what one run is.
 */
async function* ofTrajectories(model: GraphModel, inputs: Inputs, signal: AbortSignal): Batches {
  const { steps, batchSize, seed, cfg, shard = { index: 1, count: 1 } } = inputs;
  const classes = numClassesOf(model);
  if (classes === undefined) {
    const wanted = 'a model that says its classes (userDefinedMetadata.dit.numClasses)';
    const wayOut = 'Give its inputs with --inputs, or of a checkpoint its --scheduler.';
    throw new InvalidArgumentError('--trajectories', 'MODEL', wanted, 'one that does not', wayOut);
  }
  const labels = inputs.labels ?? spreadLabels(inputs.trajectories, classes);
  const keep = CALIBRATION.keep.map((step) => Math.floor((step * steps) / CALIBRATION.steps));
  // the same function, in half the time
  const fused = fuseGraph(model);
  try {
    for (let at = 0; at * batchSize < labels.length; at++) {
      if (at % shard.count !== shard.index - 1) continue;
      yield* trajectory(fused, {
        labels: labels.slice(at * batchSize, (at + 1) * batchSize),
        ...{ steps, cfg, keep: [...new Set(keep)], noneLabel: classes },
        seed: (seed + at) % 2 ** 32,
        signal,
      });
    }
  } finally {
    fused.dispose();
  }
}

/** The same of a published checkpoint, as its scheduler has it. */
async function* ofSchedule(model: GraphModel, inputs: Inputs, signal: AbortSignal): Batches {
  const { steps, batchSize, seed, shard = { index: 1, count: 1 } } = inputs;
  const schedule = await readSchedule(inputs);
  const conditions = await conditionsOf(model, inputs, inputs.trajectories);
  const fused = fuseGraph(model);
  try {
    for (let at = 0; at * batchSize < conditions.samples; at++) {
      if (at % shard.count !== shard.index - 1) continue;
      const part = conditions.of(at * batchSize, (at + 1) * batchSize);
      try {
        yield* denoiseSteps(fused, {
          ...{ schedule, keep: spreadSteps(steps), signal },
          ...part,
          seed: (seed + at) % 2 ** 32,
        });
      } finally {
        disposeGiven(part);
      }
    }
  } finally {
    fused.dispose();
  }
}

/** Whether inputs are files of arrays, and no module that gives batches. */
export function areArrays(files: readonly string[]): boolean {
  return !files.some((file) => MODULES.includes(extname(file)));
}

/** Batches of files of arrays; the caller's. */
export async function batchesOfFiles(
  model: Pick<GraphModel, 'inputs'>,
  { inputs: files = [], batchSize }: Pick<Inputs, 'inputs' | 'batchSize'>,
): Promise<Batches> {
  const arrays = await arraysOf(OP, files, model);
  const wanted = model.inputs.map(({ name }) => name);
  for (const name of wanted) {
    if (arrays.has(name)) continue;
    const got = [...arrays.keys()].join(', ') || 'none';
    throw new InvalidArgumentError(OP, 'FILE', `arrays named ${wanted.join(', ')}`, got);
  }
  const lengths = new Set(wanted.map((name) => arrays.get(name)!.shape[0] ?? 0));
  const [length = 0] = lengths;
  if (lengths.size > 1 || length === 0) {
    const got = wanted.map((name) => `${name} [${arrays.get(name)!.shape}]`).join(', ');
    throw new InvalidArgumentError(OP, 'FILE', 'arrays of as many samples, one or more', got);
  }
  return slices(model, arrays, length, batchSize);
}

async function* slices(
  model: Pick<GraphModel, 'inputs'>,
  arrays: ReadonlyMap<string, FileArray>,
  length: number,
  batchSize: number,
): Batches {
  for (let from = 0; from < length; from += batchSize) {
    const to = Math.min(from + batchSize, length);
    const entries = model.inputs.map(({ name, dtype }) => {
      const part = samplesOf(arrays.get(name)!, from, to);
      return [name, inputTensor(OP, name, part, dtype)] as const;
    });
    yield Object.fromEntries(entries);
  }
}
