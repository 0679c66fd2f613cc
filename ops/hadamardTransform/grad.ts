import type { GradConfig, NamedAttrMap, Tensor } from '@tensorflow/tfjs-core';
import { type HadamardTransformAttrs, hadamardTransform, hadamardTransformOp } from './op.js';

/** y = x H, so dx = dy Hᵀ. */
export const hadamardTransformGrad: GradConfig = {
  kernelName: hadamardTransformOp.kernelName,
  gradFunc: (dy: Tensor | Tensor[], _saved: Tensor[], attrs: NamedAttrMap) => {
    const { transpose, blockSize } = attrs as unknown as HadamardTransformAttrs;
    return { x: () => hadamardTransform(dy as Tensor, { transpose: !transpose, blockSize }) };
  },
};
