import type { TensorInfo } from '@tensorflow/tfjs-core';
import { findHadamardPlan } from '../numerics/hadamard.js';
import { transformTexels } from '../webgl/hadamard.js';
import { whyNoPasses } from '../webgl/hadamardPasses.js';
import { webglKernel } from '../webgl/kernel.js';
import { texelsOf } from '../webgl/packed.js';
import { hadamardTransformOp } from './composite.js';

/**
 * Passes over packed texels, for each factor of H one or, for Sylvester's, one for every 4 to 16.
 *
 * With float16 textures results are within half's precision; where a pass goes beyond 65504 they
 * are infinite or NaN, as any op's of tfjs there.
 */
export const hadamardTransformWebgl = webglKernel(
  hadamardTransformOp,
  ({ inputs: { x }, attrs, webgl }): TensorInfo | TensorInfo[] => {
    const plan = findHadamardPlan(attrs.blockSize)!;
    if (plan.size === 1) {
      webgl.backend.incRef(x.dataId);
      return webgl.view(x, x.shape);
    }
    const { info } = transformTexels(webgl, texelsOf(webgl, x), plan, attrs.transpose);
    return webgl.view(info, x.shape);
  },
  ({ blockSize }) => whyNoPasses(blockSize),
);
