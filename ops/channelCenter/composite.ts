import {
  add,
  cast,
  div,
  expandDims,
  greater,
  mean as meanOf,
  notEqual,
  reshape,
  sub,
  type Tensor,
  where,
  zeros,
} from '@tensorflow/tfjs-core';
import type { ComposedOp } from '../common/kernel.js';
import {
  type ChannelCenterAttrs,
  type ChannelCenterInputs,
  channelCenterContract,
  meanShape,
} from './contract.js';

/** The op on any backend. */
export const channelCenterOp: ComposedOp<ChannelCenterInputs, ChannelCenterAttrs> = {
  contract: channelCenterContract,
  composite: channelCenterComposite,
};

/** (x − mean) / scale from tfjs ops. */
export function channelCenterComposite({ x, scale, mean, mask }: ChannelCenterInputs): Tensor[] {
  const subtracted = mean ?? (mask.rank === 0 ? meanOf(x, -2, true) : maskedMean(x, mask));
  const shifted = sub(x, subtracted);
  const centered = scale.rank === 0 ? shifted : div(shifted, scale);
  // an input must not be returned itself: it would be disposed twice
  return [centered, reshape(subtracted, subtracted.shape)];
}

/**
 * The mean [..., 1, d] of the tokens that count, whatever the others hold; 0 where none does. As
 * the mean of all over the share that counts, so that it has the same bits where all do.
 */
export function maskedMean(x: Tensor, mask: Tensor): Tensor {
  const counts = notEqual(mask, 0);
  // over the last axis: tfjs cannot transpose integers on WebGPU, and a cast leaves them as such
  const share = expandDims(meanOf(cast(counts, 'float32'), -1, true), -1);
  return div(
    meanOf(where(expandDims(counts, -1), x, 0), -2, true),
    where(greater(share, 0), share, 1),
  );
}

/** A mean [d] for each sample of x, [..., 1, d]. */
export function meanOfSamples(mean: Tensor, xShape: readonly number[]): Tensor {
  const shape = meanShape(xShape);
  // a sum with zeros broadcasts with a gradient on every backend
  return shape.length === 2 ? reshape(mean, shape) : add(mean, zeros(shape));
}
