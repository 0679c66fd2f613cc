import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { channelCenterReference } from '../../../ops/channelCenter/reference.js';
import { hadamardTransformReference } from '../../../ops/hadamardTransform/reference.js';
import {
  channelCenter,
  hadamardTransform,
  hadaNormQuantize,
  UnsupportedDeviceError,
} from '../../../src/index.js';
import { expectWithin, maxMagnitude } from '../../harness/numbers/compare.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { dequantized, expectWellFormed } from '../../harness/ops/quantizedActivations.js';
import { describeOnWebgl, expectNoGpuLeak, withFlags } from '../../harness/webgl/webgl.js';

/**
 * How far off a half is, relatively, and near 0: a device may cut off instead of rounding to
 * nearest.
 */
const HALF = 2 ** -10;
const HALF_TINY = 2 ** -23;

describeOnWebgl('WebGL kernels with float16 textures', () => {
  const onHalf = (body: () => void) =>
    withFlags({ WEBGL_RENDER_FLOAT32_ENABLED: false }, () => tf.tidy(body));

  for (const std of [1, 1e-3, 1e-6, 500]) {
    it(`results are within half's precision, numbers of about ${std}`, () => {
      const shape = [2, 130, 96];
      const values = normal(sizeOf(shape), 4, std, std);
      const [{ centered, mean }, x] = [
        channelCenterReference(values, 130, 96),
        Float64Array.from(values),
      ];
      onHalf(() => {
        const input = tf.tensor(values, shape);
        // the input itself, the mean, and the result are rounded
        const bound = 4 * HALF * maxMagnitude(values) + 4 * HALF_TINY;
        const made = channelCenter(input);
        expectWithin(made.mean.dataSync(), mean, bound);
        expectWithin(made.centered.dataSync(), centered, bound);
        const rotated = hadamardTransformReference(x, 96, false);
        // and four passes, each of which rounds, and adds the roundings up as a rotation does
        const spread = 8 * HALF * maxMagnitude(rotated) + 8 * HALF_TINY;
        expectWithin(hadamardTransform(input).dataSync(), rotated, spread);

        const { quantized } = hadaNormQuantize(input);
        expectWellFormed(quantized, shape);
        const exact = hadamardTransformReference(centered, 96, false);
        const steps = quantized.scale.dataSync();
        const y = dequantized(quantized).dataSync();
        const rounding = 8 * (bound + HALF * maxMagnitude(exact));
        y.forEach((value, i) => {
          // up to a step where the zero point is rounded
          const step = steps[Math.floor(i / 96)]!;
          expect(Math.abs(value - exact[i]!)).to.be.at.most(1.001 * step + rounding);
        });
        // scales are not coarser than they must be: rounded up by a half's unit
        const widest = maxMagnitude(exact) * 2;
        expect(Math.max(...steps)).to.be.at.most((widest / 255) * (1 + 4 * HALF) + 2 * HALF_TINY);
      });
    });
  }

  it('what leaves the range of float16 is an error, not noise, and leaves no texture', () => {
    const values = normal(4 * 64, 1, 0, 1);
    values[5] = 6e4;
    const scale = new Float32Array(64).fill(0.25);
    expectNoGpuLeak(() =>
      onHalf(() => {
        const x = tf.tensor2d(values, [4, 64]);
        const run = () => hadaNormQuantize(x, { center: 'none', scale });
        expect(run).to.throw(UnsupportedDeviceError, 'float32 textures');
      }),
    );
  });

  it('what is not finite in x has scale NaN, as everywhere', () => {
    const values = normal(4 * 64, 1);
    values[5] = Number.POSITIVE_INFINITY;
    onHalf(() => {
      const { quantized } = hadaNormQuantize(tf.tensor2d(values, [4, 64]), { center: 'none' });
      const spoilt = [...quantized.scale.dataSync()].map(Number.isNaN);
      expect(spoilt).to.deep.equal([true, false, false, false]);
    });
  });
});
