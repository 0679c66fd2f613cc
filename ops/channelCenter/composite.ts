import { add, div, mean as meanOf, reshape, sub, type Tensor, zeros } from '@tensorflow/tfjs-core';
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
export function channelCenterComposite({ x, scale, mean }: ChannelCenterInputs): Tensor[] {
  const subtracted = mean ?? meanOf(x, -2, true);
  const shifted = sub(x, subtracted);
  const centered = scale.rank === 0 ? shifted : div(shifted, scale);
  // an input must not be returned itself: it would be disposed twice
  return [centered, reshape(subtracted, subtracted.shape)];
}

/** A mean [d] for each sample of x, [..., 1, d]. */
export function meanOfSamples(mean: Tensor, xShape: readonly number[]): Tensor {
  const shape = meanShape(xShape);
  // a sum with zeros broadcasts with a gradient on every backend
  return shape.length === 2 ? reshape(mean, shape) : add(mean, zeros(shape));
}
