import type { TensorInfo } from '@tensorflow/tfjs-core';
import { UnsupportedDeviceError } from '../numerics/errors.js';
import type { WebglScope } from '../webgl/kernel.js';
import { hadaNormQuantizeContract } from './contract.js';

/**
 * Reads the scales of a device with float16 textures: one that is NaN stands for values beyond
 * 65504, unless x itself has what is not finite. Waiting for them costs such a device time, but a
 * wrong NaN would go on through all of a model.
 * @throws UnsupportedDeviceError where centering, scaling or rotating finite values went beyond
 * float16.
 */
export function checkHalfRange(webgl: WebglScope, x: TensorInfo, scale: TensorInfo): void {
  const read = ({ dataId }: TensorInfo) => webgl.backend.readSync(dataId);
  if (read(scale).every(Number.isFinite) || !read(x).every(Number.isFinite)) return;
  throw new UnsupportedDeviceError(
    hadaNormQuantizeContract.kernelName,
    'float32 textures, for values that are beyond 65504 when centered, scaled and rotated',
    'float16 textures',
  );
}
