import { type NamedTensorMap, Tensor } from '@tensorflow/tfjs-core';
import { checkCallback, checkSignal } from '../../ops/common/callers.js';
import { checkOptions, checkPlain } from '../../ops/common/checks.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { readFinite, readInteger } from '../../ops/common/readers.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { checkAlive } from '../graph/model.js';
import type { DenoisingModel } from './model.js';
import type { Schedule } from './schedules/schedule.js';

/** How to go from noise to latents. */
export interface DenoiseOptions extends WatchOptions {
  /** From `noiseSchedule`. */
  readonly schedule: Schedule;
  /**
   * What the model takes besides `latent` and `timestep`, the samples along the first axis. They
   * stay the caller's.
   */
  readonly inputs: NamedTensorMap;
  /**
   * Classifier-free guidance: p = none + scale · (given − none), with `inputs` that stand for none;
   * others are as given. Default none, and half the work.
   */
  readonly guidance?: { readonly scale: number; readonly inputs: NamedTensorMap };
  /** Of the noise: an integer ≥ 0. Default 0. The same noise on every backend, to the bit. */
  readonly seed?: number;
  /**
   * What the schedule's timesteps, 0 … 1000, are multiplied with for the model. Default 1; of a
   * FluxTransformer2DModel 0.001, which takes 0 … 1.
   */
  readonly timestepScale?: number;
}

/** Options, checked and filled in. */
export interface DenoisePlan {
  /** [B, H, W, C]. */
  readonly shape: readonly [number, number, number, number];
  readonly schedule: Schedule;
  readonly inputs: NamedTensorMap;
  readonly guidance: { readonly scale: number; readonly inputs: NamedTensorMap } | null;
  readonly seed: number;
  readonly timestepScale: number;
}

/** The names of the options. */
export const DENOISE_OPTIONS = [
  ...['schedule', 'inputs', 'guidance', 'seed', 'timestepScale', 'signal', 'onProgress'],
];

/** @throws InvalidArgumentError for options that do not fit the model. */
export function denoisePlan(
  op: string,
  model: DenoisingModel,
  options: DenoiseOptions,
  known: readonly string[] = DENOISE_OPTIONS,
): DenoisePlan {
  const latent = latentOf(op, model);
  checkOptions(op, options, known);
  checkSignal(op, options.signal);
  checkCallback(op, 'onProgress', options.onProgress);
  const { schedule, inputs, guidance, seed = 0 } = options;
  if (schedule === null || typeof schedule !== 'object' || !Array.isArray(schedule.evaluations)) {
    const wanted = 'what noiseSchedule gives';
    throw new InvalidArgumentError(op, 'schedule', wanted, describe(schedule));
  }
  readInteger(0, 2 ** 32 - 1)(seed, 'seed', { op });
  const samples = checkInputs(op, model, inputs);
  const { timestepScale = isFlux(model) ? 0.001 : 1 } = options;
  readFinite(timestepScale, 'timestepScale', { op });
  return {
    shape: [samples, ...latent],
    schedule,
    inputs,
    guidance: guidance === undefined ? null : checkGuidance(op, inputs, guidance),
    seed,
    timestepScale,
  };
}

/** Height, width and channels of what a model denoises. */
function latentOf(op: string, model: DenoisingModel): [number, number, number] {
  const wanted = 'a loaded model with the inputs latent, of four axes, and timestep';
  const given: object = model !== null && typeof model === 'object' ? model : {};
  if (!('inputs' in given) || !Array.isArray(given.inputs) || !('predict' in given)) {
    throw new InvalidArgumentError(op, 'model', wanted, describe(model));
  }
  checkAlive(op, given);
  const names = model.inputs.map(({ name }) => name);
  const shape = model.inputs.find(({ name }) => name === 'latent')?.shape;
  if (shape?.length === 4 && names.includes('timestep')) {
    return shape.slice(1) as [number, number, number];
  }
  throw new InvalidArgumentError(op, 'model', wanted, `one with ${names.join(', ') || 'none'}`);
}

/** @returns How many samples there are. */
function checkInputs(op: string, model: DenoisingModel, inputs: unknown): number {
  checkPlain(op, 'inputs', inputs);
  const others = model.inputs.filter(({ name }) => name !== 'latent' && name !== 'timestep');
  const names = others.map(({ name }) => name);
  checkOptions(op, inputs, names, 'inputs');
  const counts = others.map((input) => {
    const given = (inputs as Record<string, unknown>)[input.name];
    const at = `inputs.${input.name}`;
    if (!(given instanceof Tensor) || given.isDisposed || given.rank === 0) {
      throw new InvalidArgumentError(op, at, 'a tensor of samples', describe(given));
    }
    checkFits(op, at, input, given);
    return given.shape[0]!;
  });
  const [samples] = counts;
  if (samples !== undefined && counts.every((count) => count === samples)) return samples;
  const wanted = 'of one and the same number of samples';
  throw new InvalidArgumentError(op, 'inputs', wanted, counts.join(', ') || 'none');
}

/** @throws InvalidArgumentError for a tensor that tfjs would refuse for the input. */
function checkFits(
  op: string,
  at: string,
  { shape, dtype }: DenoisingModel['inputs'][number],
  given: Tensor,
): void {
  const fits =
    shape === undefined ||
    (shape.length === given.rank && shape.every((dim, i) => dim < 0 || dim === given.shape[i]));
  if (fits && (dtype ?? given.dtype) === given.dtype) return;
  const dims = shape === undefined ? 'any shape' : `shape [${shape.map((d) => (d < 0 ? '?' : d))}]`;
  const got = `${given.dtype} of shape [${given.shape}]`;
  throw new InvalidArgumentError(op, at, `${dtype ?? given.dtype} of ${dims}`, got);
}

function checkGuidance(op: string, inputs: NamedTensorMap, guidance: unknown) {
  checkOptions(op, guidance, ['scale', 'inputs'], 'guidance');
  const { scale, inputs: none } = guidance as { scale?: unknown; inputs?: unknown };
  readFinite(scale, 'guidance.scale', { op });
  checkOptions(op, none, Object.keys(inputs), 'guidance.inputs');
  for (const [name, given] of Object.entries(none as object)) {
    const { shape } = inputs[name]!;
    const right = given instanceof Tensor && !given.isDisposed && `${given.shape}` === `${shape}`;
    if (right) continue;
    const wanted = `a tensor of the shape [${shape}] that it has in inputs`;
    throw new InvalidArgumentError(op, `guidance.inputs.${name}`, wanted, describe(given));
  }
  return { scale: scale as number, inputs: none as NamedTensorMap };
}

function isFlux({ metadata = {} }: DenoisingModel): boolean {
  const checkpoint: unknown = 'checkpoint' in metadata ? metadata.checkpoint : undefined;
  if (checkpoint === null || typeof checkpoint !== 'object') return false;
  return '_class_name' in checkpoint && checkpoint._class_name === 'FluxTransformer2DModel';
}
