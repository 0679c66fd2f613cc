import { scalar, type Tensor, type TensorLike, tidy, zeros } from '@tensorflow/tfjs-core';
import { checkMinRank, checkOptions, toFloatTensor } from '../common/checks.js';
import { runOp } from '../common/kernel.js';
import { toTokenMask } from '../common/tokenMask.js';
import { InvalidArgumentError } from '../numerics/errors.js';
import { channelCenterOp, meanOfSamples } from './composite.js';
import {
  type ChannelCenterAttrs,
  type ChannelCenterInputs,
  type ChannelCenterOptions,
  type ChannelCenterResult,
  channelCenterContract,
  meanShape,
} from './contract.js';

/**
 * Subtracts each channel's mean over the tokens, per sample, and divides by a static channel scale.
 *
 * Everything before the last two axes is a sample: means never mix across a batch. NaN or Inf in a
 * channel of a sample makes that channel NaN throughout the sample, and no other; in a token that
 * the mask leaves out, that token's alone.
 *
 * @param x float32, [..., tokens, d], rank ≥ 2, at least one token.
 * @returns `centered` [..., tokens, d] and `mean` [..., 1, d], float32.
 * @throws InvalidArgumentError for a wrong dtype, rank or shape.
 * Source: HadaNorm, arXiv 2506.09932, §3 (dynamic mean-centering, static channel scaling).
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { channelCenter } from 'tfjs-hadanorm';
 *
 * const x = tf.tensor2d([[1, 100], [3, 102]]); // 2 tokens, 2 channels
 * const { centered, mean } = channelCenter(x, { scale: [1, 2] });
 * mean.print(); // [[2, 101]]
 * centered.print(); // [[-1, -0.5], [1, 0.5]]
 * ```
 */
export function channelCenter(
  x: Tensor | TensorLike,
  options: ChannelCenterOptions = {},
): ChannelCenterResult {
  const op = channelCenterContract.kernelName;
  checkOptions(op, options, ['scale', 'mean', 'mask']);
  const [centered, mean] = tidy('channelCenter', () => {
    const input = toFloatTensor(op, 'x', x);
    checkMinRank(op, input, 2, '[..., tokens, d]');
    const [tokens, d] = input.shape.slice(-2) as [number, number];
    if (tokens === 0) {
      throw new InvalidArgumentError(op, 'x', 'of at least one token', `shape [${input.shape}]`);
    }
    const scale = options.scale === undefined ? scalar(1) : toScale(op, options.scale, d);
    const mean = options.mean === undefined ? undefined : toMean(op, options.mean, input.shape);
    const mask = options.mask === undefined ? scalar(1) : toMask(op, options, input.shape);
    if (input.size === 0) return [input.clone(), zeros(meanShape(input.shape))];
    return runOp<ChannelCenterInputs, ChannelCenterAttrs, Tensor[]>(
      channelCenterOp,
      { x: input, scale, mean, mask },
      { dynamic: mean === undefined },
    );
  }) as [Tensor, Tensor];
  return { centered, mean };
}

function toScale(op: string, given: Tensor | TensorLike, d: number): Tensor {
  const scale = toFloatTensor(op, 'scale', given);
  if (scale.rank === 1 && scale.size === d) return scale;
  throw new InvalidArgumentError(op, 'scale', `of shape [${d}]`, `shape [${scale.shape}]`);
}

function toMask(op: string, { mask, mean }: ChannelCenterOptions, xShape: number[]): Tensor {
  if (mean === undefined) return toTokenMask(op, mask!, xShape);
  throw new InvalidArgumentError(
    op,
    'mask',
    'absent beside a mean, of which it says nothing',
    'one',
  );
}

function toMean(op: string, given: Tensor | TensorLike, xShape: number[]): Tensor {
  const mean = toFloatTensor(op, 'mean', given);
  const shape = meanShape(xShape);
  const d = shape[shape.length - 1]!;
  if (`${mean.shape}` === `${shape}`) return mean;
  if (mean.rank !== 1 || mean.size !== d) {
    const wanted = `of shape [${d}] or [${shape}]`;
    throw new InvalidArgumentError(op, 'mean', wanted, `shape [${mean.shape}]`);
  }
  return meanOfSamples(mean, xShape);
}
