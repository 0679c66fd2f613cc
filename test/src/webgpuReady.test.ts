import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { initializedBackend } from '../../ops/common/kernel.js';
import { UnsupportedDeviceError } from '../../ops/numerics/errors.js';
import { webgpuReady } from '../../src/index.js';

describe('webgpuReady', () => {
  it('says that there is no adapter, where a WebGPU backend did not start', async function () {
    if (initializedBackend('webgpu') !== undefined) this.skip(); // SKIPPED: one has started here
    const was = tf.getBackend();
    const theirs = tf.findBackendFactory('webgpu');
    if (theirs != null) tf.removeBackend('webgpu');
    tf.registerBackend('webgpu', () => Promise.reject(new Error('no adapter')), 0);
    try {
      expect(await tf.setBackend('webgpu')).to.equal(false);
      const error = await webgpuReady().catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(UnsupportedDeviceError);
      expect(`${error}`).to.include('tf.setBackend');
      await tf.setBackend('cpu');
      await webgpuReady();
    } finally {
      tf.removeBackend('webgpu');
      if (theirs != null) tf.registerBackend('webgpu', theirs, 3);
      if (was) await tf.setBackend(was);
    }
  });
});
