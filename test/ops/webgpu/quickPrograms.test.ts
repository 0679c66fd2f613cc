import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { checkBackends } from '../../../ops/common/alive.js';
import { currentBackend } from '../../../ops/common/kernel.js';
import type { WebgpuBackend } from '../../../ops/webgpu/backend.js';
import { QUICK_FLAG } from '../../../ops/webgpu/flag.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { normal } from '../../harness/numbers/random.js';

/** More numbers than tfjs keeps on the host. */
const SHAPE: [number, number, number] = [2, 24, 40];

/** What tfjs has programs of several kinds for: one with uniforms of its own among them. */
function several(x: tf.Tensor3D, factor: number): tf.Tensor[] {
  const turned = tf.transpose(x, [0, 2, 1]);
  const scaled = tf.leakyRelu(tf.mul(x, x), factor);
  const product = tf.matMul(x, turned);
  const part = tf.slice(scaled, [0, 1, 2], [2, 5, 6]);
  const all = [scaled, product, tf.softmax(product), part, tf.sum(turned, 1)];
  return [...all, tf.fill(SHAPE, factor), tf.concat([x, scaled], 2), tf.clipByValue(x, -factor, 1)];
}

describeOnBackends("tfjs's own programs, started with what was made before", (backend) => {
  if (backend !== 'webgpu') return;

  // tfjs's programs are its own until this package is first used on a backend
  before(() => checkBackends('test'));
  after(() => tf.env().set(QUICK_FLAG, true));

  const values = (seed: number, factor: number) =>
    tf.tidy(() => {
      const x = tf.tensor3d(normal(SHAPE[0] * SHAPE[1] * SHAPE[2], seed), SHAPE);
      return several(x, factor).map((tensor) => Array.from(tensor.dataSync()));
    });

  it('give the numbers that they gave, one set of values after the other', () => {
    const cases = [1, 2, 1, 3].flatMap((seed) => [0.1, 0.25].map((f) => [seed, f] as const));
    tf.env().set(QUICK_FLAG, false);
    const wanted = cases.map(([seed, factor]) => values(seed, factor));
    tf.env().set(QUICK_FLAG, true);
    expect(cases.map(([seed, factor]) => values(seed, factor))).to.deep.equal(wanted);
  });

  it('write no uniforms that were there, and make few bind groups', () => {
    const { device, queue } = currentBackend<WebgpuBackend>();
    const { createBindGroup } = device;
    const { writeBuffer } = queue;
    let [groups, written] = [0, 0];
    const x = tf.tensor3d(normal(SHAPE[0] * SHAPE[1] * SHAPE[2], 5), SHAPE);
    const run = () => {
      tf.dispose(tf.tidy(() => several(x, 0.1)));
      // what is disposed of comes back with this
      tf.tidy(() => tf.sum(x).dataSync());
    };
    for (let i = 0; i < 8; i++) run();
    device.createBindGroup = (descriptor) => {
      groups++;
      return createBindGroup.call(device, descriptor);
    };
    queue.writeBuffer = (...args: Parameters<GPUQueue['writeBuffer']>) => {
      written++;
      writeBuffer.apply(queue, args);
    };
    try {
      for (let i = 0; i < 4; i++) run();
    } finally {
      Object.assign(device, { createBindGroup });
      Object.assign(queue, { writeBuffer });
      x.dispose();
    }
    expect(written).to.equal(0);
    // tfjs makes one for each of 12 programs; which buffers come back to which of them goes round
    expect(groups / 4).to.be.below(6);
  });
});
