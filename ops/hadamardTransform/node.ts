import { tensor, tidy } from '@tensorflow/tfjs-core';
import { defineKernel } from '../common/kernel.js';
import { transformBlocks } from '../numerics/fastHadamard.js';
import { transformByMatMul } from './composite.js';
import {
  type HadamardTransformAttrs,
  type HadamardTransformInputs,
  hadamardTransformContract,
} from './contract.js';

/** Up to here (elements), the fast transform on host memory beats TensorFlow's threads. */
const HOST_UP_TO = 16_384;

/**
 * TensorFlow's batched product beats transposes by half, and one product with H beats two up to
 * here.
 */
const STRENGTHS = { denseUpTo: 384, batched: true };

/** Small inputs on the host, large ones by TensorFlow's matrix product, which uses every core. */
export const hadamardTransformNode = defineKernel<
  HadamardTransformInputs,
  HadamardTransformAttrs,
  unknown
>(hadamardTransformContract, 'tensorflow', ({ inputs: { x }, attrs }) => {
  if (x.size > HOST_UP_TO) return tidy(() => transformByMatMul(x, attrs, STRENGTHS));
  const out = new Float32Array(x.size);
  // dataSync, not the backend's readSync: that one does not fetch tensors that live on another
  // backend
  transformBlocks(x.dataSync(), out, attrs.blockSize, attrs.transpose);
  return tensor(out, x.shape);
});
