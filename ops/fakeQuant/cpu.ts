import { type CpuBackend, defineKernel } from '../common/kernel.js';
import type { FakeQuantAttrs, FakeQuantInputs } from './contract.js';
import { fakeQuantOp } from './op.js';
import { fakeQuantValues } from './values.js';

export const fakeQuantCpu = defineKernel<FakeQuantInputs, FakeQuantAttrs, CpuBackend>(
  fakeQuantOp.kernelName,
  'cpu',
  ({ inputs: { x }, attrs, backend }) => {
    const out = fakeQuantValues(backend.readSync(x.dataId), x.shape, attrs);
    return backend.makeTensorInfo(x.shape, 'float32', out);
  },
);
