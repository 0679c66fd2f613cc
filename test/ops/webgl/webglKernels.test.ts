import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { kernelKind } from '../../../ops/common/kernel.js';
import { hadamardTransformReference } from '../../../ops/hadamardTransform/reference.js';
import { transformBlocks } from '../../../ops/numerics/fastHadamard.js';
import { hadamardPlan } from '../../../ops/numerics/hadamard.js';
import { glslFloat } from '../../../ops/webgl/glsl.js';
import { hasPasses } from '../../../ops/webgl/hadamardPasses.js';
import {
  channelCenter,
  type HadaNormQuantizeOptions,
  hadamardTransform,
  hadaNormQuantize,
} from '../../../src/index.js';
import { EPS, expectWithin, maxMagnitude } from '../../harness/numbers/compare.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { DIT_WIDTHS } from '../../harness/numbers/widths.js';
import { dequantized } from '../../harness/ops/quantizedActivations.js';
import {
  describeOnWebgl,
  expectCodesOfCpu,
  expectNoGpuLeak,
  PLACES,
  passesInFloat64,
  quotients,
  withFlags,
} from '../../harness/webgl/webgl.js';

describe('Passes of the WebGL Hadamard kernel', () => {
  for (const transpose of [false, true]) {
    it(`multiply by ${transpose ? 'Hᵀ' : 'H'} at every DiT width, from 64 texels at most`, () => {
      for (const n of [2, 4, 12, 20, 24, 28, 36, 40, 144, ...DIT_WIDTHS]) {
        const plan = hadamardPlan('test', n);
        expect(hasPasses(plan), `${n}`).to.equal(true);
        const x = Float64Array.from(normal(n, n));
        const expected = new Float64Array(n);
        transformBlocks(x, expected, n, transpose);
        const { y, fetches } = passesInFloat64(x, plan, transpose);
        expectWithin(y, expected, 1e-12);
        const dense = Math.max(...plan.factors.map((f) => (f.kind === 'sylvester' ? 0 : f.order)));
        expect(fetches, `texels read for one of ${n}`).to.be.at.most(64 + dense);
      }
    });
  }
});

/** What all three ops give, as flat numbers. */
function everything(x: tf.Tensor, options: HadaNormQuantizeOptions = {}): Float32Array[] {
  const d = x.shape[x.rank - 1]!;
  // no rotation where there is none for an odd number
  const blockSize = d % 2 === 0 ? d : 1;
  const scale = tf.tensor1d(normal(d, 5).map((v) => 0.5 + Math.abs(v)));
  const centered = channelCenter(x, { scale });
  const { quantized, residual } = hadaNormQuantize(x, { scale, blockSize, ...options });
  const plain = hadaNormQuantize(x, { scale, blockSize: 0, groupSize: 7 }).quantized;
  const outputs = [
    hadamardTransform(x, { blockSize }),
    centered.centered,
    centered.mean,
    residual!,
  ];
  for (const { codes, scale, zeroPoint } of [quantized, plain]) {
    outputs.push(codes, scale, zeroPoint);
  }
  return outputs.map((output) => Float32Array.from(output.dataSync()));
}

describeOnWebgl('WebGL kernels', () => {
  it('HadamardTransform, ChannelCenter and HadaNormQuantize have kernels of their own', () => {
    for (const name of ['HadamardTransform', 'ChannelCenter', 'HadaNormQuantize']) {
      expect(kernelKind(name, 'webgl'), name).to.equal('own');
    }
  });

  it('a quotient is what IEEE 754 rounds it to, though the division be 2 units off', () => {
    const a = normal(4096, 1, 0, 100);
    const b = normal(4096, 2).map((v) => v + Math.sign(v) * 0.01);
    const exact = a.map((v, i) => v / b[i]!);
    for (const off of [-3, -2, -1, 0, 1, 2, 3]) {
      // a unit in the last place is 1 to 2 times 2^-24 of the number
      const wrong = quotients(a, b, `q * ${glslFloat(1 + off * 2 ** -23)}`);
      expect(wrong.corrected.filter((v, i) => v !== exact[i]).length, `${off}`).to.equal(0);
      if (Math.abs(off) > 1) {
        expect(wrong.raw.filter((v, i) => v !== exact[i]).length).to.be.above(2000);
      }
    }
    const odd = Float32Array.of(1, -1, 0, Number.POSITIVE_INFINITY, Number.NaN, 3e38, 1e-38, 5);
    const by = Float32Array.of(0, 0, 0, 2, 1, 0.5, 2, Number.POSITIVE_INFINITY);
    const { corrected } = quotients(odd, by, 'q');
    const wanted = odd.map((v, i) => v / by[i]!);
    expect([...corrected.slice(0, 6)]).to.deep.equal([...wanted.slice(0, 6)]);
    expect(corrected[7]).to.equal(0);
  });

  for (const shape of [
    [6, 48],
    [5, 48],
    [3, 5, 24],
    [2, 2, 7, 20],
    [2, 4, 12],
    [1, 36],
    [3, 5, 33],
  ]) {
    for (const [place, put] of Object.entries(PLACES)) {
      it(`[${shape}] ${place}: the same bits, and no texture left behind`, () => {
        withFlags({ WEBGL_CPU_FORWARD: false }, () => {
          const values = normal(sizeOf(shape), sizeOf(shape), 1, 2);
          const expected = tf.tidy(() => {
            const onHost = put(values, shape).dataSync();
            return everything(tf.tensor(onHost, shape));
          });
          const outputs = expectNoGpuLeak(() => tf.tidy(() => everything(put(values, shape))));
          expect(outputs).to.deep.equal(expected);
        });
      });
    }
  }

  for (const shape of [
    [2, 33, 104],
    [140, 24],
    [3, 5, 140],
    [1, 1152],
  ]) {
    it(`[${shape}] with textures of at most 48 × 48 texels: the same bits`, () => {
      const values = normal(sizeOf(shape), 3, 1, 2);
      const run = () => tf.tidy(() => everything(tf.tensor(values, shape), { groupSize: 64 }));
      const expected = run();
      const outputs = withFlags({ WEBGL_MAX_TEXTURE_SIZE: 48 }, () => expectNoGpuLeak(run));
      expect(outputs).to.deep.equal(expected);
    });
  }

  it('a factor that is too large for a shader is composed', () => {
    tf.tidy(() => {
      const values = normal(3 * 164, 1);
      const x = tf.tensor2d(values, [3, 164]);
      const exact = hadamardTransformReference(values, 164, false);
      expect(hasPasses(hadamardPlan('test', 164))).to.equal(false);
      expectWithin(hadamardTransform(x).dataSync(), exact, 164 * EPS * maxMagnitude(values));
      const { quantized } = hadaNormQuantize(x, { center: 'none' });
      const step = Math.max(...quantized.scale.dataSync());
      expectWithin(dequantized(quantized).dataSync(), exact, 0.51 * step);
    });
  });

  it('codes are those of the cpu backend, or next to them, one in a thousand at most', async () => {
    const cases: [number[], HadaNormQuantizeOptions][] = [
      [[2, 77, 384], {}],
      [[2, 77, 384], { bits: 4, groupSize: 64, symmetric: true }],
      [[64, 1152], { bits: 4, groupSize: 64, blockSize: 0 }],
    ];
    for (const [shape, options] of cases) {
      const values = normal(sizeOf(shape), 9, 0.3);
      await expectCodesOfCpu(() =>
        tf.tidy(() => {
          const { codes } = hadaNormQuantize(tf.tensor(values, shape), options).quantized;
          return Array.from(codes.dataSync());
        }),
      );
    }
  });

  it('4096 tokens of 4608 channels are centered, rotated and quantized', () => {
    const [tokens, d] = [4096, 4608];
    const noise = normal(d + 4099, 2);
    // neighbouring tokens are not alike, and channels have means of their own
    const values = new Float32Array(tokens * d);
    for (let t = 0; t < tokens; t++) {
      for (let c = 0; c < d; c++) values[t * d + c] = noise[(t * 31 + c) % noise.length]! + (c % 7);
    }
    const means = new Float64Array(d);
    values.forEach((v, i) => {
      means[i % d] = means[i % d]! + v / tokens;
    });
    expectNoGpuLeak(() =>
      tf.tidy(() => {
        const { quantized, residual } = hadaNormQuantize(tf.tensor2d(values, [tokens, d]));
        const rotatedMeans = new Float64Array(d);
        transformBlocks(means, rotatedMeans, d, false);
        expectWithin(residual!.dataSync(), rotatedMeans, 1e-4 * maxMagnitude(rotatedMeans));
        const steps = quantized.scale.dataSync();
        for (const token of [0, 1, 2047, 4094, 4095]) {
          const part = (t: tf.Tensor, size: number) =>
            tf.slice2d(t as tf.Tensor2D, [token, 0], [1, size]);
          const row = {
            ...quantized,
            codes: part(quantized.codes, d),
            scale: part(quantized.scale, 1),
            zeroPoint: part(quantized.zeroPoint, 1),
          };
          const centered = means.map((mean, c) => values[token * d + c]! - mean);
          const exact = new Float64Array(d);
          transformBlocks(centered, exact, d, false);
          expectWithin(dequantized(row).dataSync(), exact, 0.501 * steps[token]! + 1e-4);
        }
      }),
    );
  });
});
