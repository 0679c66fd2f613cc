import { add, mean, mul, rsqrt, square, sub, type Tensor } from '@tensorflow/tfjs-core';
import type { ComposedOp } from '../common/kernel.js';
import { type LayerNormAttrs, type LayerNormInputs, layerNormContract } from './contract.js';

/** The op on any backend. */
export const layerNormOp: ComposedOp<LayerNormInputs, LayerNormAttrs> = {
  contract: layerNormContract,
  composite: layerNormComposite,
};

/** The op from tfjs ops. */
export function layerNormComposite(
  { x, gamma, beta, factor, shift }: LayerNormInputs,
  { epsilon, center }: LayerNormAttrs,
): Tensor {
  const centered = center ? sub(x, mean(x, -1, true)) : x;
  const variance = mean(square(centered), -1, true);
  let y = mul(centered, rsqrt(add(variance, epsilon)));
  if (gamma !== undefined) y = mul(y, gamma);
  if (beta !== undefined) y = add(y, beta);
  if (factor !== undefined) y = mul(y, factor);
  return shift === undefined ? y : add(y, shift);
}
