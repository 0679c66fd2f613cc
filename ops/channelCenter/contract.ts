import type { Tensor, TensorLike } from '@tensorflow/tfjs-core';
import { flagged, type NodeContract } from '../common/contract.js';

/**
 * Inputs of the `ChannelCenter` kernel → [centered [..., tokens, d], mean [..., 1, d]], float32.
 * `scale` is always there because tfjs cannot save an absent input for the gradient: rank 0 means
 * no scaling.
 */
export interface ChannelCenterInputs {
  readonly x: Tensor; // [..., tokens, d]
  readonly scale: Tensor; // [d], or [] for none
  // [..., 1, d]; absent: the mean of x over the tokens of each sample
  readonly mean?: Tensor | undefined;
  // [..., tokens], float32: tokens of 0 stay out of the mean; or [] for none, as with `scale`
  readonly mask: Tensor;
}

/** Attributes of the `ChannelCenter` kernel. */
export interface ChannelCenterAttrs {
  readonly dynamic: boolean; // false: `mean` is given. The gradient needs to know without the input
}

/** Options of `channelCenter`. */
export interface ChannelCenterOptions {
  /** Static channel scale σ, float32 [d]: the centered x is divided by it. Default none. */
  scale?: Tensor | TensorLike;
  /**
   * Static mean to subtract, float32 [d] or [..., 1, d]. Default: the mean over the tokens of each
   * sample.
   */
  mean?: Tensor | TensorLike;
  /**
   * Which tokens the mean is of, [..., tokens], float32, int32 or bool: those that are not 0.
   * Default all of them. The others are centered too.
   */
  mask?: Tensor | TensorLike;
}

/** What `channelCenter` returns. */
export interface ChannelCenterResult {
  /** (x − mean) / scale, float32 [..., tokens, d]. */
  centered: Tensor;
  /** The mean that was subtracted, unscaled, float32 [..., 1, d]. */
  mean: Tensor;
}

/** What every kernel of the op, and every graph that has it, agree on. */
export const channelCenterContract: NodeContract<keyof ChannelCenterInputs, unknown> = {
  kernelName: 'ChannelCenter',
  arithmetic: () => 'float',
  supports: () => null,
  inputNames: (attrs) => [
    'x',
    ...flagged<'scale' | 'mean' | 'mask'>(attrs, [
      ['hasScale', 'scale'],
      ['hasMean', 'mean'],
      ['hasMask', 'mask'],
    ]),
  ],
  outputShapes: ({ x = null }) => [x, x === null ? null : meanShape(x)],
};

/** [..., tokens, d] → [..., 1, d]. */
export function meanShape<Length>(shape: readonly Length[]): (Length | 1)[] {
  return [...shape.slice(0, -2), 1, ...shape.slice(-1)];
}
