import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import { HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { CALIBRATION } from '../../diffusion/calibration.js';
import { spreadLabels } from '../../diffusion/labels.js';
import { numClassesOf } from '../../diffusion/samplePlan.js';
import { trajectory } from '../../diffusion/sampler.js';
import { parseSafetensors } from '../../load/safetensors.js';
import { fuseGraph } from '../../passes/fuseGraph.js';
import { ofModule } from './batchModule.js';
import { inputTensor } from './inputTensor.js';
import { type FileArray, parseNpy } from './npy.js';
import type { Shard } from './values.js';

/** Where batches come from: see the flags of `withInputs`. */
export interface Inputs {
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
const MODULES = ['.js', '.mjs', '.cjs'];

/** Batches of a command's inputs, of its shard; the caller's, to be disposed of. */
export async function batchesOf(
  model: GraphModel,
  inputs: Inputs,
  signal: AbortSignal,
): Promise<Batches> {
  const files = inputs.inputs ?? [];
  if (files.length === 0) return ofTrajectories(model, inputs, signal);
  const modules = files.filter((file) => MODULES.includes(extname(file)));
  if (modules.length > 0 && files.length > 1) {
    throw new InvalidArgumentError(OP, 'FILE', 'arrays, or one module', files.join(' '));
  }
  const all =
    modules.length > 0 ? ofModule(model, modules[0]!) : await ofFiles(model, files, inputs);
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
async function* ofTrajectories(
  model: GraphModel,
  { trajectories: samples, steps, batchSize, seed, shard = { index: 1, count: 1 } }: Inputs,
  signal: AbortSignal,
): Batches {
  const classes = numClassesOf(model);
  if (classes === undefined) {
    const wanted = 'a model that says its classes (userDefinedMetadata.dit.numClasses)';
    const wayOut = 'Give its inputs with --inputs.';
    throw new InvalidArgumentError('--trajectories', 'MODEL', wanted, 'one that does not', wayOut);
  }
  const labels = spreadLabels(samples, classes);
  const keep = CALIBRATION.keep.map((step) => Math.floor((step * steps) / CALIBRATION.steps));
  // the same function, in half the time
  const fused = fuseGraph(model);
  try {
    for (let at = 0; at * batchSize < samples; at++) {
      if (at % shard.count !== shard.index - 1) continue;
      yield* trajectory(fused, {
        labels: labels.slice(at * batchSize, (at + 1) * batchSize),
        ...{ steps, keep: [...new Set(keep)], seed: (seed + at) % 2 ** 32, noneLabel: classes },
        signal,
      });
    }
  } finally {
    fused.dispose();
  }
}

async function ofFiles(
  model: GraphModel,
  files: readonly string[],
  { batchSize }: Inputs,
): Promise<Batches> {
  const arrays = new Map<string, FileArray>();
  for (const file of files) {
    for (const [name, array] of await arraysOf(file, model)) arrays.set(name, array);
  }
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
  model: GraphModel,
  arrays: ReadonlyMap<string, FileArray>,
  length: number,
  batchSize: number,
): Batches {
  for (let from = 0; from < length; from += batchSize) {
    const to = Math.min(from + batchSize, length);
    const entries = model.inputs.map(({ name, dtype }) => {
      const { shape, values } = arrays.get(name)!;
      const each = values.length / length;
      const part = values.slice(from * each, to * each);
      const cut = [to - from, ...shape.slice(1)];
      return [name, inputTensor(name, { shape: cut, values: part }, dtype)] as const;
    });
    yield Object.fromEntries(entries);
  }
}

/** The arrays of a file by their inputs; a .npy has its input's name, or is written NAME=FILE. */
async function arraysOf(given: string, model: GraphModel): Promise<Map<string, FileArray>> {
  const [, name, file = given] = /^([^=/\\]+)=(.+)$/.exec(given) ?? [];
  const bytes = new Uint8Array(await read(file));
  switch (extname(file)) {
    case '.npy': {
      const only = model.inputs.length === 1 ? model.inputs[0]!.name : basename(file, '.npy');
      return new Map([[name ?? only, parseNpy(bytes, file)]]);
    }
    case '.npz':
      return npzArrays(bytes, file);
    case '.safetensors':
      return parseSafetensors(bytes);
    default: {
      const wanted = `a .npy, .npz or .safetensors file, or a module (${MODULES.join(', ')})`;
      throw new InvalidArgumentError(OP, 'FILE', wanted, file);
    }
  }
}

async function npzArrays(bytes: Uint8Array, file: string): Promise<Map<string, FileArray>> {
  const { unzipSync } = await import('fflate');
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes);
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : `${cause}`;
    throw new InvalidArgumentError(OP, file, 'an archive of NumPy', got);
  }
  return new Map(
    Object.entries(entries).map(([name, array]) => [
      name.replace(/\.npy$/, ''),
      parseNpy(array, `${file}: ${name}`),
    ]),
  );
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : `${cause}`;
    throw Object.assign(new HadaNormError(OP, `${file} cannot be read: ${words}`), { cause });
  }
}
