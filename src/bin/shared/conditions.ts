import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose } from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import type { DenoiseOptions } from '../../diffusion/denoise.js';
import { spreadLabels } from '../../diffusion/labels.js';
import { nodeOf } from '../../graph/ir.js';
import { graphOfModel } from '../../graph/model.js';
import { arraysOf, samplesOf } from './arrayFiles.js';
import { inputTensor } from './inputTensor.js';
import type { FileArray } from './npy.js';

/** Flags of what samples are drawn of. */
export interface ConditionFlags {
  readonly labels?: readonly number[];
  /** Files of what the model takes besides latent and timestep. */
  readonly conditions?: readonly string[];
  /** Files of the same, of none. */
  readonly none?: readonly string[];
  readonly noneLabel?: number;
  readonly cfg: number;
}

/** What `denoise` is told of samples: what a model takes besides `latent` and `timestep`. */
export type Given = Pick<DenoiseOptions, 'inputs' | 'guidance'>;

export interface Conditions {
  /** How many samples. */
  readonly samples: number;
  /** Of some samples; to be let go by `disposeGiven`. */
  readonly of: (from: number, to: number) => Given;
}

type Arrays = ReadonlyMap<string, FileArray>;

/**
 * Conditions of labels and files.
 *
 * @param count Of samples where labels are the only condition and none are given: they are spread
 * over the classes. 0: none are.
 * @throws InvalidArgumentError for what is missing, or not of one number of samples.
 */
export async function conditionsOf(
  model: GraphModel,
  flags: ConditionFlags,
  count: number,
): Promise<Conditions> {
  const given = await givenOf(model, flags, count);
  const samples = samplesIn(given);
  const none = flags.cfg === 1 ? null : await noneOf(model, flags, given, samples);
  const tensorsOf = (flag: string, arrays: Arrays, from: number, to: number) =>
    Object.fromEntries(
      [...arrays].map(([name, array]) => {
        const { dtype } = model.inputs.find((input) => input.name === name)!;
        return [name, inputTensor(flag, name, samplesOf(array, from, to), dtype)];
      }),
    );
  return {
    samples,
    of: (from, to) => {
      const end = Math.min(to, samples);
      const inputs = tensorsOf('--conditions', given, from, end);
      if (none === null) return { inputs };
      return {
        inputs,
        guidance: { scale: flags.cfg, inputs: tensorsOf('--none', none, from, end) },
      };
    },
  };
}

export function disposeGiven({ inputs, guidance }: Given): void {
  dispose([inputs, guidance?.inputs ?? {}]);
}

/** By input, all of them. */
async function givenOf(model: GraphModel, flags: ConditionFlags, count: number): Promise<Arrays> {
  const { labels, conditions = [] } = flags;
  const files = await arraysOf('--conditions', conditions, model);
  const names = namesOf(model);
  const last = noneLabelOf(model);
  const isSpread = count > 0 && conditions.length === 0 && last !== null;
  const all = labels ?? (isSpread ? spreadLabels(count, last) : null);
  if (all !== null && names.includes('label'))
    files.set('label', labelArray('--labels', all, last));
  const missing = names.filter((name) => !files.has(name));
  if (missing.length === 0) return new Map(names.map((name) => [name, files.get(name)!]));
  const wanted = `arrays named ${missing.join(', ')}`;
  const wayOut = missing.includes('label') ? 'Labels may be --labels too.' : undefined;
  const got = [...files.keys()].join(', ') || 'none';
  throw new InvalidArgumentError('--conditions', 'FILE', wanted, got, wayOut);
}

function samplesIn(arrays: Arrays): number {
  const lengths = new Set([...arrays.values()].map(({ shape }) => shape[0] ?? 0));
  const [length = 0] = lengths;
  if (lengths.size === 1 && length > 0) return length;
  const got = [...arrays].map(([name, { shape }]) => `${name} [${shape}]`).join(', ');
  const wanted = 'arrays of as many samples, one or more';
  throw new InvalidArgumentError('--conditions', 'FILE', wanted, got || 'none');
}

/** What stands for none, as often as there are samples. */
async function noneOf(
  model: GraphModel,
  { none = [], noneLabel }: ConditionFlags,
  given: Arrays,
  samples: number,
): Promise<Arrays> {
  const arrays = await arraysOf('--none', none, model);
  const last = noneLabelOf(model);
  const label = noneLabel ?? last;
  if (label !== null && given.has('label') && !arrays.has('label')) {
    arrays.set('label', labelArray('--none-label', [label], last));
  }
  const known = [...arrays].filter(([name]) => given.has(name));
  if (known.length > 0) return new Map(known.map(([name, one]) => [name, repeated(one, samples)]));
  const wanted = `arrays of none for --cfg, named ${[...given.keys()].join(', ')}`;
  const wayOut = given.has('label') ? 'A label of none may be --none-label too.' : undefined;
  const got = [...arrays.keys()].join(', ') || 'none';
  throw new InvalidArgumentError('--none', 'FILE', wanted, got, wayOut);
}

function repeated(array: FileArray, samples: number): FileArray {
  const { shape, values } = array;
  if (shape[0] !== 1 || samples === 1) return array;
  const all = values instanceof Int32Array ? new Int32Array(samples * values.length) : null;
  const many = all ?? new Float32Array(samples * values.length);
  for (let i = 0; i < samples; i++) many.set(values, i * values.length);
  return { shape: [samples, ...shape.slice(1)], values: many };
}

function namesOf({ inputs }: GraphModel): string[] {
  return inputs.map(({ name }) => name).filter((name) => name !== 'latent' && name !== 'timestep');
}

/** @throws InvalidArgumentError for a label behind the last. */
function labelArray(flag: string, labels: readonly number[], last: number | null): FileArray {
  const stray = labels.find((label) => label > (last ?? label));
  if (stray === undefined) return { shape: [labels.length], values: Int32Array.from(labels) };
  const wanted = `integers in [0, ${last}], the last of which is none`;
  throw new InvalidArgumentError(flag, 'LABEL', wanted, `${stray}`);
}

/** The label of none, the last in the table that labels are looked up in; null without one. */
function noneLabelOf(model: GraphModel): number | null {
  for (const { op, inputs } of graphOfModel('--labels', model).nodes.values()) {
    if (op !== 'GatherV2' || nodeOf(inputs[1]!) !== 'label') continue;
    const rows = model.weights[nodeOf(inputs[0]!)]?.[0]?.shape[0];
    if (rows !== undefined) return rows - 1;
  }
  return null;
}
