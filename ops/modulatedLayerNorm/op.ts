import {
  add,
  broadcast_util,
  mul,
  type Tensor,
  type TensorLike,
  tidy,
} from '@tensorflow/tfjs-core';
import { checkBoolean, checkMinRank, checkOptions, toFloatTensor } from '../common/checks.js';
import { runOp } from '../common/kernel.js';
import { checkSize } from '../common/sizes.js';
import { describe, InvalidArgumentError } from '../numerics/errors.js';
import { layerNormOp } from './composite.js';
import {
  type LayerNormAttrs,
  type LayerNormInputs,
  type LayerNormOptions,
  layerNormContract,
} from './contract.js';

/** What an absent option means. */
export const LAYER_NORM_DEFAULTS = { epsilon: 1e-6, center: true } as const;

/**
 * Normalizes the last axis and modulates it: y = ((x − μ) / sqrt(σ² + ε) · gamma + beta) · factor +
 * shift.
 *
 * NaN or Inf in a row makes that row NaN, and no other. For inference: it has no gradient.
 *
 * @param x float32, [..., d], rank ≥ 1, d ≥ 1; a tensor, or numbers that make one.
 * @returns float32, the shape of x.
 * @throws InvalidArgumentError for a wrong dtype, shape or epsilon.
 * Source: layer normalization, arXiv 1607.06450; adaLN, arXiv 2212.09748, §3.2; RMSNorm, arXiv
 * 1910.07467.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { modulatedLayerNorm } from 'tfjs-hadanorm';
 *
 * const x = tf.tensor3d([[[1, 3], [10, 30]]]); // 1 sample, 2 tokens
 * const factor = tf.add(tf.tensor3d([[[1, 0]]]), 1); // 1 + scale
 * modulatedLayerNorm(x, { factor, shift: [[[0, 5]]] }).print(); // [[[-2, 6], [-2, 6]]]
 * ```
 */
export function modulatedLayerNorm(x: Tensor | TensorLike, options: LayerNormOptions = {}): Tensor {
  const op = layerNormContract.kernelName;
  checkOptions(op, options, ['gamma', 'beta', 'factor', 'shift', 'epsilon', 'center']);
  const { epsilon = LAYER_NORM_DEFAULTS.epsilon, center = LAYER_NORM_DEFAULTS.center } = options;
  checkEpsilon(op, epsilon);
  checkBoolean(op, 'center', center);
  return tidy('modulatedLayerNorm', () => {
    const input = toFloatTensor(op, 'x', x);
    checkMinRank(op, input, 1, '[..., d]');
    const d = input.shape[input.rank - 1]!;
    if (d === 0) {
      throw new InvalidArgumentError(op, 'x', 'of at least one channel', `shape [${input.shape}]`);
    }
    const given = (name: 'gamma' | 'beta' | 'factor' | 'shift') => {
      const value = options[name];
      return value === undefined ? undefined : toFloatTensor(op, name, value);
    };
    const inputs = {
      x: input,
      gamma: channels(op, 'gamma', given('gamma'), d),
      beta: channels(op, 'beta', given('beta'), d),
    };
    const factor = modulation(op, 'factor', given('factor'), input);
    const shift = modulation(op, 'shift', given('shift'), input);
    const attrs = { epsilon, center };
    const run = (all: LayerNormInputs): Tensor =>
      input.size === 0
        ? input.clone()
        : runOp<LayerNormInputs, LayerNormAttrs, Tensor>(layerNormOp, all, attrs);
    if (isRows(factor, input) && isRows(shift, input)) return run({ ...inputs, factor, shift });
    // each element, or samples that x lacks: what broadcasts like that is tfjs's to do
    const y = run(inputs);
    const scaledShape = broadcast(op, input.shape, 'factor', factor);
    checkSize(op, 'the result', broadcast(op, scaledShape, 'shift', shift));
    const scaled = factor === undefined ? y : mul(y, factor);
    return shift === undefined ? scaled : add(scaled, shift);
  });
}

/** The shape of a result under a factor or shift that broadcasts with it. */
function broadcast(
  op: string,
  shape: number[],
  argument: string,
  given: Tensor | undefined,
): number[] {
  if (given === undefined) return shape;
  try {
    return broadcast_util.assertAndGetBroadcastShape(shape, given.shape);
  } catch {
    const wanted = `of a shape that broadcasts with x and factor together, [${shape}]`;
    throw new InvalidArgumentError(op, argument, wanted, `shape [${given.shape}]`);
  }
}

function checkEpsilon(op: string, epsilon: unknown): void {
  if (typeof epsilon === 'number' && epsilon >= 0 && Number.isFinite(epsilon)) return;
  throw new InvalidArgumentError(op, 'epsilon', 'a finite number ≥ 0', describe(epsilon));
}

function channels(
  op: string,
  argument: string,
  given: Tensor | undefined,
  d: number,
): Tensor | undefined {
  if (given === undefined || (given.rank === 1 && given.size === d)) return given;
  throw new InvalidArgumentError(op, argument, `of shape [${d}]`, `shape [${given.shape}]`);
}

function modulation(
  op: string,
  argument: string,
  given: Tensor | undefined,
  { shape }: Tensor,
): Tensor | undefined {
  const broadcasts = given?.shape.every((length, axis) => {
    const own = shape[axis + shape.length - given.rank] ?? 1;
    return length === own || length === 1 || own === 1;
  });
  if (given === undefined || broadcasts) return given;
  const such = `such as leading axes of it, then ones, then ${shape.at(-1)}`;
  const wanted = `of a shape that broadcasts with x [${shape}], ${such}`;
  throw new InvalidArgumentError(op, argument, wanted, `shape [${given.shape}]`);
}

/** Whether so many consecutive rows of x share a row of a factor or shift. */
function isRows(given: Tensor | undefined, { shape }: Tensor): boolean {
  if (given === undefined) return true;
  const last = shape.length - 1;
  // leading axes of x as far as they agree; from there on ones
  let same = 0;
  while (same < last && given.shape[same] === shape[same]) same++;
  const isRow = given.shape.slice(same, last).every((length) => length === 1);
  return given.rank === shape.length && isRow && given.shape[last] === shape[last];
}
