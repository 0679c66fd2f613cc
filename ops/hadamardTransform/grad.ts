import type { Tensor } from '@tensorflow/tfjs-core';
import { defineGradient } from '../common/kernel.js';
import type { HadamardTransformAttrs } from './contract.js';
import { hadamardTransform, hadamardTransformOp } from './op.js';

/** y = x H, so dx = dy Hᵀ. */
export const hadamardTransformGrad = defineGradient<HadamardTransformAttrs, Tensor>(
  hadamardTransformOp.kernelName,
  {
    gradients: (dy, _saved, { transpose, blockSize }) => ({
      x: () => hadamardTransform(dy, { transpose: !transpose, blockSize }),
    }),
  },
);
