import type { Tensor } from '@tensorflow/tfjs-core';
import { defineGradient, runOp } from '../common/kernel.js';
import { hadamardTransformOp } from './composite.js';
import { type HadamardTransformAttrs, hadamardTransformContract } from './contract.js';

/** y = x H, so dx = dy Hᵀ. */
export const hadamardTransformGrad = defineGradient<HadamardTransformAttrs, Tensor>(
  hadamardTransformContract,
  {
    gradients: (dy, _saved, { transpose, blockSize }) => ({
      x: () => runOp(hadamardTransformOp, { x: dy }, { transpose: !transpose, blockSize }),
    }),
  },
);
