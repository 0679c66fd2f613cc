import { tensor, tidy } from '@tensorflow/tfjs-core';
import { defineKernel } from '../common/kernel.js';
import { nearestValues } from '../numerics/formats.js';
import { fakeQuantComposite } from './composite.js';
import { type FakeQuantAttrs, type FakeQuantInputs, fakeQuantContract } from './contract.js';

/**
 * Up to here (elements), one pass over host memory beats the dozen TensorFlow ops that it takes
 * otherwise.
 */
const HOST_UP_TO = 262_144;

/** Small inputs on the host, large ones by TensorFlow ops, which use every core. */
export const fakeQuantNode = defineKernel<FakeQuantInputs, FakeQuantAttrs, unknown>(
  fakeQuantContract,
  'tensorflow',
  ({ inputs, attrs }) => {
    const { x } = inputs;
    if (x.size > HOST_UP_TO) return tidy(() => fakeQuantComposite(inputs, attrs));
    // dataSync, not the backend's readSync: that one does not fetch tensors that live on another
    // backend
    return tensor(nearestValues(attrs.format, x.dataSync(), x.shape, attrs.range), x.shape);
  },
);
