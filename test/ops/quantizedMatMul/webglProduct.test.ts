import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { packCodes } from '../../../ops/numerics/packing.js';
import { UNROUNDED_BYTES_FLAG } from '../../../ops/webgl/bytes.js';
import {
  type QuantizedActivations,
  quantizedMatMul,
  UnsupportedDeviceError,
} from '../../../src/index.js';
import { EPS, expectWithin, maxMagnitude } from '../../harness/numbers/compare.js';
import { normal } from '../../harness/numbers/random.js';
import { describeOnWebgl, expectNoGpuLeak, PLACES, withFlags } from '../../harness/webgl/webgl.js';
import {
  activations,
  gpuBytes,
  onCpu,
  packedWeights,
  run,
} from '../../harness/webgl/webglProduct.js';

describeOnWebgl('QuantizedMatMul on WebGL', () => {
  for (const [bits, max] of [
    [4, 0.15],
    [8, 0.28],
  ] as const) {
    it(`weights of ${bits} bits take ${max} of their float32 bytes on the GPU at most`, () => {
      const [d, n] = [1152, 384];
      expectNoGpuLeak(() => {
        const weights = packedWeights(d, n, bits, 64);
        const x = activations(2, d);
        run(x, weights);
        const before = gpuBytes();
        tf.dispose([weights.codes, weights.scale!]);
        expect(before - gpuBytes()).to.be.within(bits / 32, max * 4 * d * n);
        tf.dispose([x.codes, x.scale, x.zeroPoint]);
      });
    });
  }

  it('clones share the weights, which go with the last of them, and can be saved after use', () => {
    expectNoGpuLeak(() => {
      const weights = packedWeights(40, 6, 4, 8);
      const [codes, steps] = [weights.codes.dataSync().slice(), weights.scale!.dataSync().slice()];
      const x = activations(3, 40);
      const y = run(x, weights);
      const before = gpuBytes();
      const copy = { ...weights, codes: weights.codes.clone() };
      weights.codes.dispose();
      expect(run(x, copy)).to.deep.equal(y);
      expect(gpuBytes(), 'bytes with a clone').to.equal(before);
      expect(copy.codes.dataSync()).to.deep.equal(codes);
      expect(copy.scale!.dataSync()).to.deep.equal(steps);
      tf.dispose([copy.codes, copy.scale!, x.codes, x.scale, x.zeroPoint]);
    });
  });

  it('one codes tensor serves x in any groups and any scale with two textures at most', () => {
    expectNoGpuLeak(() => {
      const weights = packedWeights(64, 6, 4, 64);
      const texels = (size: number) => (3 * (64 / size) + 16) * 3 * 4;
      for (const groupSize of [64, 16, 8, 64, 4]) {
        const x = activations(3, 64, groupSize);
        const expected = onCpu(x, weights);
        expectWithin(run(x, weights), expected, 64 * EPS * maxMagnitude(expected));
        tf.dispose([x.codes, x.scale, x.zeroPoint]);
      }
      const double = {
        ...weights,
        scale: tf.tensor2d(
          weights.scale!.dataSync().map((v) => 2 * v),
          [1, 6],
        ),
      };
      const x = activations(3, 64);
      const once = run(x, weights);
      expect(run(x, double)).to.deep.equal(once.map((v) => 2 * v));
      const before = gpuBytes();
      weights.codes.dispose();
      expect(before - gpuBytes()).to.be.at.most(texels(4) + texels(64));
      tf.dispose([weights.scale!, double.scale, x.codes, x.scale, x.zeroPoint]);
    });
  });

  for (const [bits, rows, unrounded] of [
    [4, 64, true],
    [4, 64, false],
    [8, 64, true],
    [8, 256, false],
  ] as const) {
    const how = unrounded ? 'bytes as they are fetched' : 'bytes rounded';
    it(`sums of codes at their ends are exact, ${rows} rows of ${bits} bits, ${how}`, () => {
      withFlags({ [UNROUNDED_BYTES_FLAG]: unrounded }, () =>
        tf.tidy(() => {
          const [n, m] = [4, 3];
          // the largest sums, and the least differences from them
          const codes = Int8Array.from({ length: rows * n }, (_, i) =>
            i % n < 2 ? -(2 ** (bits - 1)) : 2 ** (bits - 1) - 1 - (i % 3 === 0 ? 1 : 0),
          );
          const x = Int32Array.from({ length: rows * m }, (_, i) =>
            i < rows ? 255 : 255 - (i % 2),
          );
          const zeroPoint = [0, 255, 128];
          const weights = {
            codes: tf.tensor1d(packCodes(codes, rows, n, bits), 'bool'),
            scale: tf.ones([1, n]),
            ...{ bits, groupSize: rows, shape: [rows, n] as const },
          };
          const quantized = {
            codes: tf.tensor2d(x, [m, rows], 'int32'),
            scale: tf.ones([m, 1]),
            zeroPoint: tf.tensor2d(zeroPoint, [m, 1]),
            ...{ bits: 8, groupSize: rows },
          };
          const y = quantizedMatMul(quantized, weights).dataSync();
          for (let i = 0; i < m * n; i++) {
            const [row, column] = [Math.floor(i / n), i % n];
            let sum = 0;
            for (let k = 0; k < rows; k++) {
              sum += (x[row * rows + k]! - zeroPoint[row]!) * codes[k * n + column]!;
            }
            expect(y[i], `row ${row}, column ${column}`).to.equal(sum);
          }
        }),
      );
    });
  }

  for (const [place, make] of Object.entries(PLACES)) {
    it(`x may lie on the GPU ${place}, floats and codes, an odd number of tokens`, () => {
      tf.tidy(() => {
        const [samples, tokens, d] = [2, 3, 22];
        const values = normal(samples * tokens * d, 5);
        const weights = packedWeights(d, 5, 4, 8);
        const shape = [samples, tokens, d];
        const floats = make(values, shape);
        const y = run(floats, weights);
        expectWithin(y, onCpu(floats, weights), 64 * EPS * maxMagnitude(y));
        const x = activations(samples * tokens, d);
        // a place may add 100
        const bytes = Float32Array.from(x.codes.dataSync(), (code) => code >> 1);
        const parts = [x.scale, x.zeroPoint].map((part) => [...part.dataSync()]);
        const [scale, zeroPoint] = parts.map((part) => tf.tensor(part, [samples, tokens, 1]));
        const codes = tf.cast(make(bytes, shape), 'int32');
        const placed = { ...x, codes, scale: scale!, zeroPoint: zeroPoint! };
        const z = run(placed, weights);
        expectWithin(z, onCpu(placed, weights), 64 * EPS * maxMagnitude(z));
      });
    });
  }

  // so that everything is folded: rows of x and pairs of columns of W beyond a side, and segments
  // beyond a line
  it('matrices larger than a texture are folded', () => {
    withFlags({ WEBGL_MAX_TEXTURE_SIZE: 128 }, () => {
      for (const bits of [4, 8]) {
        expectNoGpuLeak(() =>
          tf.tidy(() => {
            const weights = packedWeights(200, 150, bits, 8);
            const x = activations(180, 200, 8);
            const [bias, residual] = [
              tf.tensor1d(normal(150, 1)),
              tf.tensor2d(normal(200, 2), [1, 200]),
            ];
            const result = (given: QuantizedActivations | tf.Tensor) =>
              quantizedMatMul(given, weights, { bias, residual }).dataSync().slice();
            const there = result(x);
            const floats = tf.tensor2d(normal(20 * 200, 3), [20, 200]);
            const again = result(floats);
            void tf.setBackend('cpu');
            const bound = 200 * 4 * EPS;
            expectWithin(there, result(x), bound * maxMagnitude(there));
            expectWithin(again, result(floats), bound * maxMagnitude(again));
            void tf.setBackend('webgl');
          }),
        );
      }
    });
  });

  it('what has no room is refused before anything is allocated', () => {
    tf.tidy(() => {
      // room for the weights, but not for x
      const [weights, residual] = [packedWeights(64, 8, 4, 64), tf.ones([1, 64])];
      const x = activations(30, 64);
      withFlags({ WEBGL_MAX_TEXTURE_SIZE: 24 }, () => {
        const state = () => [gpuBytes(), tf.backend().numDataIds(), tf.memory().numTensors];
        const before = state();
        const product = () => quantizedMatMul(x, weights, { residual });
        expect(product).to.throw(UnsupportedDeviceError, 'for x [30, 64], it has textures');
        expect(state()).to.deep.equal(before);
      });
    });
  });

  for (const [what, tokens, d, n, groupSize] of [
    ['the second linear of an MLP', 3, 4608, 1152, 64],
    ['a wide layer', 2, 15360, 6, 64],
    ['many columns', 2, 16, 15360, 16],
    ['4100 tokens', 4100, 8, 6, 8],
    ['a batch of 32 × 256 tokens', 8192, 8, 6, 8],
  ] as const) {
    it(`${what}: [${tokens}, ${d}] by [${d}, ${n}] in textures of 4096 texels a side`, () => {
      withFlags({ WEBGL_MAX_TEXTURE_SIZE: 4096 }, () => {
        expectNoGpuLeak(() =>
          tf.tidy(() => {
            const weights = packedWeights(d, n, 4, groupSize);
            const x = activations(tokens, d);
            const y = run(x, weights);
            expectWithin(y, onCpu(x, weights), 8 * (3 + d / groupSize) * EPS * maxMagnitude(y));
          }),
        );
      });
    });
  }
});
