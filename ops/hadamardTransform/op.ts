import { type Tensor, type TensorLike, tidy } from '@tensorflow/tfjs-core';
import {
  checkBoolean,
  checkInteger,
  checkMinRank,
  checkOptions,
  toFloatTensor,
} from '../common/checks.js';
import { runOp } from '../common/kernel.js';
import { InvalidArgumentError } from '../numerics/errors.js';
import { hadamardPlan } from '../numerics/hadamard.js';
import { hadamardTransformOp } from './composite.js';
import { type HadamardTransformOptions, hadamardTransformContract } from './contract.js';

/** What an absent option means. `blockSize` defaults to the length of the last axis. */
export const HADAMARD_TRANSFORM_DEFAULTS = { transpose: false } as const;

/**
 * Multiplies the last axis by an orthonormal Hadamard matrix: y = x H, in O(n log n) for n a power
 * of two.
 *
 * H has entries ±1/√n and H Hᵀ = I, so `transpose: true` undoes it. For n = m·2^k and products of
 * such sizes, H is the Kronecker product of Paley and Sylvester matrices; {@link hadamardRow} gives
 * it row by row.
 *
 * @param x float32, [..., n], any rank ≥ 1.
 * @returns float32, the shape of x.
 * @throws HadamardSizeError when there is no Hadamard matrix of the block's size; it names the
 * nearest choices.
 * @throws InvalidArgumentError for a wrong dtype, rank or option.
 * Source: Sylvester (1867), Paley (1933); as a rotation before quantization: QuaRot, arXiv
 * 2404.00456, §4.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { hadamardTransform } from 'tfjs-hadanorm';
 *
 * const x = tf.tensor2d([[4, 0, 0, 0], [1, 2, 3, 4]]);
 * const rotated = hadamardTransform(x); // the outlier 4 is spread to [2, 2, 2, 2]
 * const back = hadamardTransform(rotated, { transpose: true });
 * back.print();
 * ```
 */
export function hadamardTransform<T extends Tensor>(
  x: T | TensorLike,
  options: HadamardTransformOptions = {},
): T {
  const op = hadamardTransformContract.kernelName;
  checkOptions(op, options, ['transpose', 'blockSize']);
  const { transpose = HADAMARD_TRANSFORM_DEFAULTS.transpose } = options;
  checkBoolean(op, 'transpose', transpose);
  return tidy('hadamardTransform', () => {
    const input = toFloatTensor(op, 'x', x);
    checkMinRank(op, input, 1, '[..., n]');
    const blockSize = checkBlockSize(op, input.shape[input.rank - 1]!, options.blockSize);
    if (input.size === 0) return input.clone() as T;
    return runOp(hadamardTransformOp, { x: input }, { transpose, blockSize }) as Tensor as T;
  });
}

function checkBlockSize(op: string, n: number, blockSize = n): number {
  if (n === 0) throw new InvalidArgumentError(op, 'x', 'non-empty along its last axis', 'length 0');
  checkInteger(op, 'blockSize', blockSize, 1);
  if (n % blockSize !== 0) {
    const wanted = `a divisor of the last axis (${n})`;
    throw new InvalidArgumentError(op, 'blockSize', wanted, `${blockSize}`);
  }
  hadamardPlan(op, blockSize);
  return blockSize;
}
