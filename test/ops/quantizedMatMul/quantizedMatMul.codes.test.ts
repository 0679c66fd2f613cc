import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { packCodes } from '../../../ops/numerics/packing.js';
import {
  hadaNormQuantize,
  InvalidArgumentError,
  type QuantizedActivations,
  quantizedMatMul,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { EPS } from '../../harness/numbers/compare.js';
import { normal, uniform } from '../../harness/numbers/random.js';
import { dequantized } from '../../harness/ops/quantizedActivations.js';
import { D, N, packed } from '../../harness/ops/quantizedMatMul.js';
import { expectNoLeak } from '../../harness/run/memory.js';

describeOnBackends('QuantizedMatMul of codes', (backend) => {
  if (backend === 'cpu' || backend === 'wasm') {
    for (const [groupSize, xGroupSize] of [
      [64, 256],
      [64, 64],
      [256, 256],
      [32, 64],
    ] as const) {
      it(`codes by codes add up as integers, groups of ${groupSize} and ${xGroupSize}`, () => {
        tf.tidy(() => {
          const [m, d, n, bits] = [9, 256, 24, 4];
          const next = uniform(5);
          const pick = (count: number, choices: number) =>
            Array.from({ length: count }, () => Math.floor(next() * choices));
          const x = pick(m * d, 256);
          const zeroPoint = pick((m * d) / xGroupSize, 256);
          const codes = pick(d * n, 2 ** bits).map((u) => u - 2 ** (bits - 1));
          const xScale = normal(zeroPoint.length, 1).map((v) => 1 + v * v);
          const scale = normal((d / groupSize) * n, 2);
          const quantized = {
            codes: tf.tensor2d(x, [m, d], 'int32'),
            scale: tf.tensor2d(xScale, [m, d / xGroupSize]),
            zeroPoint: tf.tensor2d(zeroPoint, [m, d / xGroupSize], 'float32'),
            ...{ bits: 8, groupSize: xGroupSize },
          };
          const packed = {
            codes: tf.tensor1d(packCodes(Int8Array.from(codes), d, n, bits), 'bool'),
            scale: tf.tensor2d(scale, [d / groupSize, n]),
            ...{ bits, groupSize, shape: [d, n] as const },
          };
          const y = quantizedMatMul(quantized, packed).dataSync();
          const segment = Math.min(groupSize, xGroupSize);
          y.forEach((value, i) => {
            const [row, j] = [Math.floor(i / n), i % n];
            let expected = 0;
            let magnitude = 0;
            for (let begin = 0; begin < d; begin += segment) {
              const group = ((row * d + begin) / xGroupSize) | 0;
              let sum = 0;
              for (let k = begin; k < begin + segment; k++) {
                sum += (x[row * d + k]! - zeroPoint[group]!) * codes[k * n + j]!;
              }
              const part = sum * xScale[group]! * scale[Math.floor(begin / groupSize) * n + j]!;
              expected += part;
              magnitude += Math.abs(part);
            }
            // three products and a sum for each segment, whatever the sums within it went through
            const bound = (3 + d / segment) * EPS * magnitude;
            expect(Math.abs(value - expected), `output ${i}`).to.be.at.most(bound);
          });
        });
      });
    }
  }

  for (const d of [1, 10, 35]) {
    it(`${d} channels: what stands in the padding of packed codes changes no bit`, () => {
      tf.tidy(() => {
        const [m, n, groupSize] = [5, 9, 8];
        // the same blocks: whole ones
        const [rows, columns] = [4 * Math.ceil(d / 4), 8 * Math.ceil(n / 8)];
        const next = uniform(7);
        const { quantized } = hadaNormQuantize(tf.tensor2d(normal(m * d, 1), [m, d]), {
          ...{ bits: 8, blockSize: 0, groupSize },
        });
        const groups = Math.ceil(d / groupSize);
        const scale = tf.tensor2d(normal(groups * n, 2), [groups, n]);
        for (const bits of [3, 7, 8]) {
          const random = Int8Array.from({ length: rows * columns }, () => {
            return Math.floor(next() * 2 ** bits) - 2 ** (bits - 1);
          });
          const clean = random.map((code, i) => {
            return Math.floor(i / columns) < d && i % columns < n ? code : 0;
          });
          const [dirty, tidy] = [random, clean].map((all) => {
            const codes = tf.tensor1d(packCodes(all, rows, columns, bits), 'bool');
            const weights = { codes, scale, bits, groupSize, shape: [d, n] as const };
            return quantizedMatMul(quantized, weights).dataSync();
          });
          expect(dirty, `${bits} bits`).to.deep.equal(tidy);
        }
      });
    });
  }

  it('what hadaNormQuantize gives is taken as it is', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const x = tf.tensor3d(normal(2 * 5 * D, 1), [2, 5, D]);
        const { quantized, residual } = hadaNormQuantize(x, { blockSize: 0, groupSize: 4 });
        const weights = packed();
        const y = quantizedMatMul(quantized, weights, { residual: residual! }).dataSync();
        const expected = quantizedMatMul(dequantized(quantized), weights, { residual: residual! });
        expected.dataSync().forEach((v, i) => {
          expect(y[i]).to.be.closeTo(v, 2e-5);
        });
      }),
    );
  });

  it('a token with a scale of NaN is NaN and no other is', () => {
    tf.tidy(() => {
      const values = normal(3 * D, 1);
      values[D + 2] = Number.NaN;
      const options = { center: 'none', blockSize: 0, groupSize: 4 } as const;
      const { quantized } = hadaNormQuantize(tf.tensor2d(values, [3, D]), options);
      const spoilt = [...quantizedMatMul(quantized, packed()).dataSync()].map(Number.isNaN);
      expect(spoilt).to.deep.equal(spoilt.map((_, i) => Math.floor(i / N) === 1));
    });
  });

  it('codes of more bits than they are given for are looked at again', () => {
    tf.tidy(() => {
      const { quantized } = hadaNormQuantize(tf.tensor2d(normal(3 * D, 1), [3, D]), {
        blockSize: 0,
      });
      expect(() => quantizedMatMul({ ...quantized, bits: 7 }, packed())).to.throw(
        InvalidArgumentError,
        'of whole numbers from 0 to 127 at 7 bits',
      );
      const low = { ...quantized, codes: tf.ones([3, D], 'int32'), zeroPoint: tf.zeros([3, 1]) };
      quantizedMatMul({ ...low, bits: 2 }, packed());
      quantizedMatMul({ ...low, bits: 7 }, packed());
    });
  });

  it('scales of 0, below 0, or NaN of the weights are what they are', () => {
    tf.tidy(() => {
      const { quantized } = hadaNormQuantize(tf.tensor2d(normal(3 * D, 1), [3, D]), {
        blockSize: 0,
      });
      const scale = tf.tensor2d([0, -1, Number.NaN, 1, 1, 1], [1, N]);
      const weights = { ...packed(), groupSize: D };
      const ones = quantizedMatMul(quantized, { ...weights, scale: tf.ones([1, N]) }).dataSync();
      const y = quantizedMatMul(quantized, { ...weights, scale }).dataSync();
      const factors = scale.dataSync();
      y.forEach((value, i) => {
        const expected = ones[i]! * factors[i % N]!;
        if (Number.isNaN(expected)) expect(value).to.satisfy(Number.isNaN);
        else expect(value).to.be.closeTo(expected, 1e-4);
      });
    });
  });

  it('an empty batch gives an empty result', () => {
    tf.tidy(() => {
      const { quantized } = hadaNormQuantize(tf.zeros([0, 3, D]), { blockSize: 0 });
      expect(quantizedMatMul(quantized, packed()).shape).to.deep.equal([0, 3, N]);
    });
  });

  const wrong: [string, () => Record<string, unknown>, string][] = [
    ['floats as codes', () => ({ codes: tf.zeros([2, D]) }), 'x.codes must be of dtype int32 or'],
    ['no scale', () => ({ scale: undefined }), 'x.scale must be given, got none.'],
    ['no zero point', () => ({ zeroPoint: undefined }), 'x.zeroPoint must be given, got none.'],
    [
      'a scale for other groups',
      () => ({ scale: tf.ones([2, 2]) }),
      'x.scale must be float32 of shape [2,1], got float32 of shape [2,2].',
    ],
    [
      'integers as zero points',
      () => ({ zeroPoint: tf.ones([2, 1], 'int32') }),
      'x.zeroPoint must be float32 of shape [2,1], got int32',
    ],
    [
      'codes above their bits',
      () => ({ codes: tf.fill([2, D], 16, 'int32'), bits: 4 }),
      'x.codes must be of whole numbers from 0 to 15 at 4 bits, got 16 at 0.',
    ],
    [
      'bytes above their bits',
      () => ({ codes: tf.tensor2d(new Uint8Array(2 * D).fill(8, 3), [2, D], 'bool'), bits: 3 }),
      'x.codes must be of whole numbers from 0 to 7 at 3 bits, got 8 at 3.',
    ],
    [
      'codes below 0',
      () => ({ codes: tf.fill([2, D], -1, 'int32') }),
      'x.codes must be of whole numbers from 0 to 255 at 8 bits, got -1 at 0.',
    ],
    ...[0.5, -1, 256, Number.NaN, Number.POSITIVE_INFINITY].map(
      (value): [string, () => Record<string, unknown>, string] => [
        `a zero point of ${value}`,
        () => ({ zeroPoint: tf.tensor2d([0, value], [2, 1]) }),
        `x.zeroPoint must be of whole numbers from 0 to 255 at 8 bits, got ${value} at 1.`,
      ],
    ),
    [
      'an infinite scale',
      () => ({ scale: tf.tensor2d([1, Number.NEGATIVE_INFINITY], [2, 1]) }),
      'x.scale must be of finite numbers, or NaN, got -Infinity at 1.',
    ],
    [
      'groups beyond any length',
      () => ({ groupSize: 2 ** 32 + D }),
      'x.groupSize must be an integer from 1 to 2147483647, got 4294967306.',
    ],
    ['bits 9', () => ({ bits: 9 }), 'x.bits must be an integer from 2 to 8, got 9.'],
    ['groups of 0', () => ({ groupSize: 0 }), 'x.groupSize must be an integer ≥ 1, got 0.'],
    [
      'a part that there is not',
      () => ({ residual: null }),
      'x must be made of codes, scale, zeroPoint',
    ],
    [
      'codes of another width',
      () => ({ codes: tf.zeros([2, D + 1], 'int32'), groupSize: D + 1 }),
      'x must be of shape [..., tokens, 10], got shape [2,11].',
    ],
  ];
  for (const [what, change, message] of wrong) {
    it(`${what} gets a typed error`, () => {
      tf.tidy(() => {
        const codes = tf.zeros([2, D], 'int32');
        const right = { codes, scale: tf.ones([2, 1]), zeroPoint: tf.zeros([2, 1]) };
        const x = { ...right, bits: 8, groupSize: D, ...change() } as QuantizedActivations;
        expect(() => quantizedMatMul(x, packed())).to.throw(InvalidArgumentError, message);
      });
    });
  }
});
