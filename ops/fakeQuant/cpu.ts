import { type CpuBackend, defineKernel } from '../common/kernel.js';
import { nearestValues } from '../numerics/formats.js';
import { type FakeQuantAttrs, type FakeQuantInputs, fakeQuantContract } from './contract.js';

export const fakeQuantCpu = defineKernel<FakeQuantInputs, FakeQuantAttrs, CpuBackend>(
  fakeQuantContract,
  'cpu',
  ({ inputs: { x }, attrs: { format, range }, backend }) => {
    const out = nearestValues(format, backend.readSync(x.dataId), x.shape, range);
    return backend.makeTensorInfo(x.shape, 'float32', out);
  },
);
