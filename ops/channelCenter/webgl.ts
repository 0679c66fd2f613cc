import type { TensorInfo } from '@tensorflow/tfjs-core';
import { centerTexels } from '../webgl/centering.js';
import { webglKernel } from '../webgl/kernel.js';
import { countedMeans } from '../webgl/maskedMeans.js';
import { texelsOf } from '../webgl/packed.js';
import { channelCenterOp } from './composite.js';
import { meanShape } from './contract.js';

/**
 * Means in stages over packed texels, then one pass to subtract and divide. With float16 textures
 * within half's precision, infinite beyond 65504.
 */
export const channelCenterWebgl = webglKernel(
  channelCenterOp,
  ({ inputs: { x, scale, mean, mask }, webgl }): TensorInfo[] => {
    const texels = texelsOf(webgl, x);
    const counted = mask.rank === 0 ? undefined : mask;
    const means = mean === undefined ? countedMeans(webgl, texels, counted) : texelsOf(webgl, mean);
    const centered = centerTexels(webgl, {
      x: texels,
      mean: means,
      scale: scale.rank === 0 ? undefined : texelsOf(webgl, scale),
    });
    // a given mean is an output as well: one more reference to its data
    if (mean !== undefined) webgl.backend.incRef(mean.dataId);
    const subtracted = mean ?? means.info;
    return [webgl.view(centered.info, x.shape), webgl.view(subtracted, meanShape(x.shape))];
  },
);
