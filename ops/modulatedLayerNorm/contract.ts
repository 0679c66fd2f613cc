import { type Tensor, type TensorInfo, type TensorLike, util } from '@tensorflow/tfjs-core';
import { flagged, type NodeContract } from '../common/contract.js';
import type { Dims } from '../numerics/lengths.js';

/** Inputs of the `ModulatedLayerNorm` kernel. All float32. */
export interface LayerNormInputs {
  readonly x: Tensor; // [..., d]
  readonly gamma?: Tensor | undefined; // [d]
  readonly beta?: Tensor | undefined; // [d]
  readonly factor?: Tensor | undefined; // leading axes of x, then ones, then d
  readonly shift?: Tensor | undefined; // as factor
}

/** Attributes of the `ModulatedLayerNorm` kernel. */
export interface LayerNormAttrs {
  readonly epsilon: number;
  readonly center: boolean; // false: RMSNorm
}

/** Options of `modulatedLayerNorm`. */
export interface LayerNormOptions {
  /** float32 [d], multiplied with the normalized channels. Default 1. */
  gamma?: Tensor | TensorLike;
  /** float32 [d], added behind gamma. Default 0. */
  beta?: Tensor | TensorLike;
  /**
   * float32, multiplied with the result: adaLN's 1 + scale. Any shape that broadcasts with x;
   * kernels take leading axes of x, then ones, then d: for x [samples, tokens, d] it is [samples,
   * 1, d]. Default 1.
   */
  factor?: Tensor | TensorLike;
  /** float32, added behind the factor, in shapes as the factor's. Default 0. */
  shift?: Tensor | TensorLike;
  /** Added to the variance. Default 1e-6. */
  epsilon?: number;
  /**
   * False: the mean is not taken off, and the mean square stands for the variance (RMSNorm).
   * Default true.
   */
  center?: boolean;
}

/** What every kernel of the op, and every graph that has it, agree on. */
export const layerNormContract: NodeContract<keyof LayerNormInputs, unknown> = {
  kernelName: 'ModulatedLayerNorm',
  arithmetic: () => 'float',
  supports: () => null,
  inputNames: (attrs) => [
    'x',
    ...flagged<'gamma' | 'beta' | 'factor' | 'shift'>(attrs, [
      ['hasGamma', 'gamma'],
      ['hasBeta', 'beta'],
      ['hasFactor', 'factor'],
      ['hasShift', 'shift'],
    ]),
  ],
  outputShapes: ({ x = null, factor, shift }) => [modulated(modulated(x, factor), shift)],
};

/** How many consecutive rows of x share a row of a factor or shift. */
export function rowsPerModulation(x: TensorInfo, modulation: TensorInfo | undefined): number {
  if (modulation === undefined) return 1;
  return util.sizeFromShape(x.shape) / util.sizeFromShape(modulation.shape);
}

/**
 * The shape of x under a factor or shift. One may have axes and numbers of samples that x lacks;
 * where only the run knows either length, they have the same: kernels take leading axes of x.
 */
function modulated(x: Dims | null, modulation: Dims | null | undefined): Dims | null {
  if (x === null || modulation == null) return x;
  const more = modulation.length - x.length;
  const own = modulation.slice(Math.max(more, 0));
  return [
    ...modulation.slice(0, Math.max(more, 0)),
    ...x.map((length, i) => {
      const other = own[i - x.length + own.length];
      return length === 1 && other !== undefined ? other : length;
    }),
  ];
}
