import { tensor, tidy } from '@tensorflow/tfjs-core';
import { defineKernel } from '../common/kernel.js';
import type { NodeBackend } from '../common/nodeBackend.js';
import { fakeQuantComposite } from './composite.js';
import { fakeQuantValues } from './cpu.js';
import { type FakeQuantAttrs, type FakeQuantInputs, fakeQuantOp } from './op.js';

/** Up to here (elements), one pass over host memory beats the dozen TensorFlow ops that it takes otherwise. */
const HOST_UP_TO = 262_144;

/** Small inputs on the host, large ones by TensorFlow ops, which use every core. */
export const fakeQuantNode = defineKernel<FakeQuantInputs, FakeQuantAttrs, NodeBackend>(
  fakeQuantOp.kernelName,
  'tensorflow',
  ({ inputs, attrs, backend }) => {
    const { x } = inputs;
    if (x.size > HOST_UP_TO) return tidy(() => fakeQuantComposite(inputs, attrs));
    return tensor(fakeQuantValues(backend.readSync(x.dataId), x.shape, attrs), x.shape);
  },
);
