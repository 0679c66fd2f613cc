import {
  div,
  mean,
  mul,
  neg,
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
 * it is given; dσ = −Σ g·c over tokens and samples; given μ: dμ_in = dμ − Σ g over tokens.
 */
export const channelCenterGrad = defineGradient<ChannelCenterAttrs, Tensor[]>(
  channelCenterContract,
  {
    inputsToSave: ['scale'],
    outputsToSave: [true, false],
    gradients: (dys, saved, { dynamic }) => {
      const [dCentered, dMean] = dys as [Tensor, Tensor];
      const [scale, centered] = saved as [Tensor, Tensor];
      const tokens = dCentered.shape[dCentered.rank - 2]!;
      const g = () => (scale.rank === 0 ? dCentered : div(dCentered, scale));
      return {
        x: () => (dynamic ? sub(g(), sub(mean(g(), -2, true), div(dMean, tokens))) : g().clone()),
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
