import {
  add,
  cast,
  div,
  expandDims,
  maximum,
  mean,
  mul,
  neg,
  notEqual,
  reshape,
  sub,
  sum,
  type Tensor,
  zerosLike,
} from '@tensorflow/tfjs-core';
import { defineGradient } from '../common/kernel.js';
import { type ChannelCenterAttrs, channelCenterContract } from './contract.js';

/**
 * c = (x − μ)/σ with g = dc/σ: dx = g − mean(g) + dμ/tokens where μ is the mean of x, dx = g where
 * it is given; dσ = −Σ g·c over tokens and samples; given μ: dμ_in = dμ − Σ g over tokens. Where μ
 * is the mean of those tokens that count, these alone share (dμ − Σ g)/their number.
 */
export const channelCenterGrad = defineGradient<ChannelCenterAttrs, Tensor[]>(
  channelCenterContract,
  {
    inputsToSave: ['scale', 'mask'],
    outputsToSave: [true, false],
    gradients: (dys, saved, { dynamic }) => {
      const [dCentered, dMean] = dys as [Tensor, Tensor];
      const [scale, mask, centered] = saved as [Tensor, Tensor, Tensor];
      const tokens = dCentered.shape[dCentered.rank - 2]!;
      const g = () => (scale.rank === 0 ? dCentered : div(dCentered, scale));
      const dX = () => {
        if (!dynamic) return g().clone();
        if (mask.rank > 0) return add(g(), ofCounted(sub(dMean, sum(g(), -2, true)), mask));
        return sub(g(), sub(mean(g(), -2, true), div(dMean, tokens)));
      };
      return {
        x: dX,
        // tfjs asks for it, nobody reads it
        mask: () => zerosLike(mask),
        // a rank-0 scale stands for none: tfjs asks for its gradient, nobody reads it
        scale: () =>
          scale.rank === 0
            ? zerosLike(scale)
            : neg(sum(reshape(mul(g(), centered), [-1, scale.size]), 0)),
        mean: () => sub(dMean, sum(g(), -2, true)),
      };
    },
  },
);

/** [..., 1, d] in equal parts to the tokens that count, [..., tokens, d]. */
function ofCounted(whole: Tensor, mask: Tensor): Tensor {
  const counts = expandDims(cast(notEqual(mask, 0), 'float32'), -1);
  return mul(counts, div(whole, maximum(sum(counts, -2, true), 1)));
}
