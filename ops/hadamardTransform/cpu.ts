import { type CpuBackend, defineKernel } from '../common/kernel.js';
import { transformBlocks } from '../numerics/fastHadamard.js';
import {
  type HadamardTransformAttrs,
  type HadamardTransformInputs,
  hadamardTransformContract,
} from './contract.js';

export const hadamardTransformCpu = defineKernel<
  HadamardTransformInputs,
  HadamardTransformAttrs,
  CpuBackend
>(hadamardTransformContract, 'cpu', ({ inputs: { x }, attrs, backend }) => {
  const values = backend.readSync(x.dataId);
  const out = new Float32Array(values.length);
  transformBlocks(values, out, attrs.blockSize, attrs.transpose);
  return backend.makeTensorInfo(x.shape, 'float32', out);
});
