import type { GraphModel } from '@tensorflow/tfjs-converter';
import { memory, util } from '@tensorflow/tfjs-core';
import { likenessOf } from '../../../models/likeness.js';

/** Bytes of a model's weights as tensors; two models that share one both count it. */
export function weightBytes({ weights }: GraphModel): number {
  return Object.values(weights)
    .flat()
    .reduce((sum, { size, dtype }) => sum + size * util.bytesPerElement(dtype), 0);
}

/** Bytes that tfjs has taken of the GPU for all models; null on a backend without one. */
export function gpuBytes(): number | null {
  const state = memory();
  return 'numBytesInGPU' in state ? Number(state.numBytesInGPU) : null;
}

/** Gives what a model has taken of the GPU since; null on a backend without one. */
export function gpuMeter(): () => number | null {
  const before = gpuBytes();
  return () => (before === null ? null : (gpuBytes() ?? 0) - before);
}

/** Mean PSNR of pictures to the original's, as they are seen, dB. */
export function likenessTo(exact: Float32Array, values: Float32Array, count: number): number {
  return likenessOf(exact, values, count).mean;
}
