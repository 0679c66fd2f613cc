import { type CpuBackend, defineKernel } from '../common/kernel.js';
import { type FakeQuantAttrs, type FakeQuantInputs, fakeQuantContract } from './contract.js';
import { fakeQuantValues } from './values.js';

export const fakeQuantCpu = defineKernel<FakeQuantInputs, FakeQuantAttrs, CpuBackend>(
  fakeQuantContract,
  'cpu',
  ({ inputs: { x }, attrs, backend }) => {
    const out = fakeQuantValues(backend.readSync(x.dataId), x.shape, attrs);
    return backend.makeTensorInfo(x.shape, 'float32', out);
  },
);
