import { div, mean as meanOf, reshape, sub, type Tensor } from '@tensorflow/tfjs-core';
import type { ChannelCenterInputs } from './contract.js';

/** (x − mean) / scale from tfjs ops. */
export function channelCenterComposite({ x, scale, mean }: ChannelCenterInputs): Tensor[] {
  const subtracted = mean ?? meanOf(x, -2, true);
  const shifted = sub(x, subtracted);
  const centered = scale.rank === 0 ? shifted : div(shifted, scale);
  // an input must not be returned itself: it would be disposed twice
  return [centered, reshape(subtracted, subtracted.shape)];
}
