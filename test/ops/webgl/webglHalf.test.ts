import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { fakeQuant, UnsupportedDeviceError } from '../../../src/index.js';
import { normal } from '../../harness/numbers/random.js';
import { describeOnWebgl, expectNoGpuLeak, withFlags } from '../../harness/webgl/webgl.js';
import { activations, onCpu, packedWeights, run } from '../../harness/webgl/webglProduct.js';

/**
 * How far off a half is, relatively: a device may cut off instead of rounding to nearest; and the
 * least number above 0.
 */
const HALF = 2 ** -10;
const HALF_TINY = 2 ** -24;

describeOnWebgl('Products and quantizers with float16 textures', () => {
  const onHalf = (body: () => void) =>
    withFlags({ WEBGL_RENDER_FLOAT32_ENABLED: false }, () => expectNoGpuLeak(() => tf.tidy(body)));

  for (const bits of [4, 8]) {
    it(`codes of ${bits} bits stay exact: only x's scale and the result are rounded`, () => {
      const [m, d, n] = [9, 96, 10];
      const exact = tf.tidy(() => [...onCpu(activations(m, d), packedWeights(d, n, bits, 32))]);
      onHalf(() => {
        const y = run(activations(m, d), packedWeights(d, n, bits, 32));
        y.forEach((value, i) => {
          const bound = 2.01 * HALF * Math.abs(exact[i]!) + HALF_TINY;
          expect(Math.abs(value - exact[i]!), `output ${i}`).to.be.at.most(bound);
        });
      });
    });
  }

  it('weights of any scale are right, though a half holds none of these', () => {
    onHalf(() => {
      const [d, n] = [32, 4];
      const weights = packedWeights(d, n, 4, 32);
      const steps = (step: number) => tf.tensor2d([step, step, step, step], [1, n]);
      const y = run(
        { ...activations(2, d), scale: tf.fill([2, 1], 2 ** 14) },
        { ...weights, scale: steps(2 ** -30) },
      );
      const plain = run(
        { ...activations(2, d), scale: tf.ones([2, 1]) },
        { ...weights, scale: steps(2 ** -16) },
      );
      expect(y).to.deep.equal(plain);
      expect(y.some((v) => v !== 0)).to.equal(true);
    });
  });

  it('scales of x from the host that a half does not hold are a typed error', () => {
    onHalf(() => {
      const weights = packedWeights(32, 4, 4, 32);
      for (const step of [2 ** -20, 1e5]) {
        const scale = tf.tensor2d([step, 1], [2, 1]);
        expect(() => run({ ...activations(2, 32), scale }, weights)).to.throw(
          UnsupportedDeviceError,
          'QuantizedMatMul: the device must have float32 textures',
        );
      }
    });
  });

  it('fakeQuant makes the codes that float32 textures give of the same numbers', () => {
    // numbers that a half holds, so that only the result is rounded
    const values = normal(6 * 40, 3).map((v) => Math.round(v * 256) / 256);
    const run = (options: object) =>
      tf.tidy(() =>
        fakeQuant(tf.tensor2d(values, [6, 40]), options)
          .dataSync()
          .slice(),
      );
    for (const options of [
      { bits: 4 },
      { bits: 16, symmetric: true },
      { bits: 8, granularity: { kind: 'perChannel' } },
      { bits: 8, granularity: { kind: 'perTensor' }, range: { min: -1e5, max: 1e-6 } },
      { bits: 8, granularity: { kind: 'perTensor' }, range: { min: -0.9, max: 1.3 } },
    ]) {
      const exact = run(options);
      onHalf(() => {
        run(options).forEach((value, i) => {
          expect(Math.abs(value - exact[i]!)).to.be.at.most(HALF * Math.abs(exact[i]!) + HALF_TINY);
        });
      });
    }
  });

  it('fakeQuant stays finite at the end of float16, and refuses ranges per group beyond it', () => {
    onHalf(() => {
      const y = fakeQuant([[-10000, 65504, 0, 1]], { bits: 2 }).dataSync();
      expect([...y].every(Number.isFinite)).to.equal(true);
      const range = { min: [0, -1e5], max: [1, 0] };
      expect(() => fakeQuant([[1], [2]], { range })).to.throw(
        UnsupportedDeviceError,
        'FakeQuant: the device must have float32 textures, for -100000 in range',
      );
    });
  });
});
