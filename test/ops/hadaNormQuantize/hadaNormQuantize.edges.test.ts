import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  channelCenter,
  fakeQuant,
  type Granularity,
  HadamardSizeError,
  type HadaNormQuantizeOptions,
  hadamardTransform,
  hadaNormQuantize,
  InvalidArgumentError,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { normal } from '../../harness/numbers/random.js';
import { dequantized } from '../../harness/ops/quantizedActivations.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const [SAMPLES, TOKENS, D] = [2, 37, 96];

describeOnBackends('HadaNormQuantize at its edges', () => {
  const quantizers: readonly (readonly [Granularity, HadaNormQuantizeOptions])[] = [
    [{ kind: 'perToken' }, {}],
    [{ kind: 'perGroup', groupSize: 64 }, { groupSize: 64 }],
    [{ kind: 'perGroup', groupSize: 7 }, { groupSize: 7 }],
    [{ kind: 'perTensor' }, { range: { min: -1.7, max: 2.1 } }],
  ];
  for (const [granularity, options] of quantizers) {
    for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
      for (const symmetric of [false, true]) {
        const how = symmetric ? 'symmetric' : 'asymmetric';
        const name = JSON.stringify(granularity);
        it(`${bits} bits ${how} ${name}: the codes of the ops one by one, to the last bit`, () => {
          const mismatches = expectNoLeak(() =>
            tf.tidy(() => {
              const x = tf.tensor3d(normal(SAMPLES * TOKENS * D, bits, 0.3), [SAMPLES, TOKENS, D]);
              const scale = tf.tensor1d(normal(D, 9).map((v) => 0.4 + Math.abs(v)));
              const { centered } = channelCenter(x, { scale });
              const { range } = options;
              const fake = { bits, symmetric, granularity, ...(range ? { range } : {}) };
              const expected = fakeQuant(hadamardTransform(centered), fake).dataSync();
              const given = { ...options, bits, symmetric, scale };
              const values = dequantized(hadaNormQuantize(x, given).quantized).dataSync();
              // == takes −0 for 0: the sign of a zero is no part of the contract
              return values.filter((v, i) => v !== expected[i]).length;
            }),
          );
          expect(mismatches).to.equal(0);
        });
      }
    }
  }

  it('every centering gives the codes of its chain', () => {
    tf.tidy(() => {
      const x = tf.tensor3d(normal(SAMPLES * TOKENS * D, 3, 0.3), [SAMPLES, TOKENS, D]);
      const [scale, mean] = [tf.tensor1d(normal(D, 4)), tf.tensor1d(normal(D, 5))];
      const chains: [HadaNormQuantizeOptions, tf.Tensor][] = [
        [{ center: 'none' }, x],
        [{ center: 'none', scale }, tf.div(x, scale)],
        [{ center: 'static', mean }, channelCenter(x, { mean }).centered],
        [{ center: 'static', mean, scale }, channelCenter(x, { mean, scale }).centered],
        [{ center: 'dynamic' }, channelCenter(x).centered],
        // a mean given with a dynamic one is the origin of the residual alone
        [{ center: 'dynamic', mean, scale }, channelCenter(x, { scale }).centered],
      ];
      for (const [options, centered] of chains) {
        for (const blockSize of [0, 4, 96]) {
          const rotated = blockSize === 0 ? centered : hadamardTransform(centered, { blockSize });
          const expected = fakeQuant(rotated).dataSync();
          const { quantized } = hadaNormQuantize(x, { ...options, blockSize });
          const values = dequantized(quantized).dataSync();
          const different = values.filter((v, i) => v !== expected[i]).length;
          expect(different, `${options.center}, blocks of ${blockSize}`).to.equal(0);
        }
      }
    });
  });

  it('residual and coefficients put the mean together again', () => {
    tf.tidy(() => {
      const x = tf.tensor3d(normal(SAMPLES * TOKENS * 12, 6, 5), [SAMPLES, TOKENS, 12]);
      const [scale, mean] = [tf.tensor1d(normal(12, 7)), tf.tensor1d(normal(12, 8, 5))];
      const basis = tf.slice(hadamardTransform(tf.eye(12)), [0, 0], [3, 12]) as tf.Tensor2D;
      const { residual, coefficients } = hadaNormQuantize(x, { scale, mean, basis });
      const back = hadamardTransform(residual!, { transpose: true });
      const along = tf.matMul(coefficients as tf.Tensor2D, basis);
      const total = tf.add(tf.mul(tf.add(back, along), scale), mean).dataSync();
      const expected = tf.mean(x, 1).dataSync();
      total.forEach((v, i) => {
        expect(v).to.be.closeTo(expected[i]!, 1e-4);
      });
    });
  });

  for (const [what, value] of [
    ['NaN', Number.NaN],
    ['infinite', Number.POSITIVE_INFINITY],
    ['infinite below', Number.NEGATIVE_INFINITY],
  ] as const) {
    it(`a dynamic range with a value that is ${what} has scale NaN, codes and zero point 0`, () => {
      tf.tidy(() => {
        const values = normal(3 * 8, 1);
        values[13] = value;
        const options = { center: 'none', blockSize: 0, groupSize: 4, symmetric: true } as const;
        const { quantized } = hadaNormQuantize(tf.tensor2d(values, [3, 8]), options);
        const [codes, scale, zeroPoint] = [
          quantized.codes.dataSync(),
          quantized.scale.dataSync(),
          quantized.zeroPoint.dataSync(),
        ];
        const spoilt = [...scale].map(Number.isNaN);
        expect(spoilt).to.deep.equal([false, false, false, true, false, false]);
        expect([...codes.slice(12, 16)]).to.deep.equal([0, 0, 0, 0]);
        expect([...zeroPoint]).to.deep.equal([128, 128, 128, 0, 128, 128]);
      });
    });
  }

  it('a static range clamps what is infinite; a token with a NaN has scale NaN', () => {
    tf.tidy(() => {
      const { NaN: nan, POSITIVE_INFINITY: more, NEGATIVE_INFINITY: less } = Number;
      const x = tf.tensor2d([more, less, 0.5, 0, nan, 1], [3, 2]);
      const range = { min: -1, max: 2 };
      const { quantized } = hadaNormQuantize(x, { bits: 2, center: 'none', blockSize: 0, range });
      expect([...quantized.codes.dataSync()]).to.deep.equal([3, 0, 1, 1, 0, 0]);
      expect([...quantized.scale.dataSync()]).to.deep.equal([1, 1, nan]);
      expect([...quantized.zeroPoint.dataSync()]).to.deep.equal([1, 1, 0]);
    });
  });

  it('tokens of zeros, of tiny and of huge values are what fakeQuant makes of them', () => {
    tf.tidy(() => {
      const rows = [normal(16, 1, 0, 0), normal(16, 2, 0, 1e-39), normal(16, 3, 0, 1e-37)];
      rows.push(normal(16, 4, 0, 1e37), normal(16, 5, 0, 2e38), normal(16, 6, 0, 1));
      rows[5]![3] = 3.4e38;
      const x = tf.tensor2d(Float32Array.from(rows.flatMap((row) => [...row])), [6, 16]);
      for (const bits of [2, 4, 8]) {
        for (const symmetric of [false, true]) {
          const given = { bits, symmetric, center: 'none', blockSize: 0 } as const;
          const values = dequantized(hadaNormQuantize(x, given).quantized).dataSync();
          const expected = fakeQuant(x, { bits, symmetric }).dataSync();
          expect([...values].map((v) => v + 0)).to.deep.equal([...expected].map((v) => v + 0));
        }
      }
    });
  });

  it('an empty batch stays empty, numbers are taken as tensors are', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const basis = tf.ones([2, 4]);
        const { quantized, residual, coefficients } = hadaNormQuantize(tf.zeros([0, 3, 4]), {
          basis,
        });
        const { codes, scale, zeroPoint } = quantized;
        const outputs = [codes, scale, zeroPoint, residual!, coefficients!];
        const shapes = outputs.map(({ shape }) => shape);
        expect(shapes).to.deep.equal([
          [0, 3, 4],
          [0, 3, 1],
          [0, 3, 1],
          [0, 4],
          [0, 2],
        ]);
        const numbers = hadaNormQuantize([[0, 15]], { bits: 4, center: 'none', blockSize: 0 });
        expect([...numbers.quantized.codes.dataSync()]).to.deep.equal([0, 15]);
        expect([numbers.residual, numbers.coefficients]).to.deep.equal([null, null]);
      }),
    );
  });

  it('it has no gradient, and says so', () => {
    tf.tidy(() => {
      const grad = tf.grad((x) => hadaNormQuantize(x).residual!);
      expect(() => grad(tf.ones([2, 4]))).to.throw(/gradient.*HadaNormQuantize/);
    });
  });

  const wrong: [string, HadaNormQuantizeOptions, string][] = [
    ['bits 1', { bits: 1 }, 'bits must be an integer from 2 to 8, got 1.'],
    ['bits 9', { bits: 9 }, 'bits must be an integer from 2 to 8, got 9.'],
    ['symmetric 1', { symmetric: 1 as never }, 'symmetric must be true or false, got 1.'],
    ['groups of 0', { groupSize: 0 }, 'groupSize must be an integer ≥ 1, got 0.'],
    ['groups of 2^32', { groupSize: 2 ** 32 }, 'groupSize must be an integer from 1 to 2147483647'],
    ['groups and a range', { groupSize: 2, range: { min: 0, max: 1 } }, 'groupSize must be absent'],
    ['half a range', { range: { min: 0 } as never }, 'range.max must be a finite float32 number'],
    ['a range of infinity', { range: { min: 0, max: 1e39 } }, 'range.max must be a finite'],
    ['a range upside down', { range: { min: 2, max: 1 } }, 'range must be min ≤ max, got [2, 1].'],
    ['another center', { center: 'mean' as never }, "center must be 'none', 'static' or 'dynamic'"],
    ['static without a mean', { center: 'static' }, "mean must be given for center 'static'"],
    ['a mean for nothing', { center: 'none', mean: [1, 1, 1, 1] }, "absent for center 'none'"],
    ['a basis that is not used', { center: 'none', basis: [[1, 1, 1, 1]] }, 'basis must be absent'],
    ['a basis of another width', { basis: [[1, 1]] }, 'basis must be of shape [r, 4], r ≥ 1, got'],
    ['a mean of another width', { mean: [1] }, 'mean must be of shape [4], got shape [1].'],
    ['a scale of rank 2', { scale: [[1, 1, 1, 1]] }, 'scale must be of shape [4], got shape [1,4]'],
    ['blocks of 3', { blockSize: 3 }, 'blockSize must be 0 or a divisor of the last axis (4)'],
    ['an unknown option', { axis: 1 } as never, '"axis"'],
  ];
  for (const [what, options, message] of wrong) {
    it(`${what} gets a typed error`, () => {
      expectNoLeak(() => {
        tf.tidy(() => {
          const run = () => hadaNormQuantize(tf.ones([2, 4]), options);
          expect(run).to.throw(InvalidArgumentError, message);
        });
      });
    });
  }

  it('x of a wrong rank, dtype, width or without tokens gets a typed error', () => {
    tf.tidy(() => {
      const run = (x: tf.Tensor) => () => hadaNormQuantize(x);
      expect(run(tf.ones([4]))).to.throw(InvalidArgumentError, 'rank ≥ 2');
      expect(run(tf.ones([2, 4], 'int32'))).to.throw(InvalidArgumentError, 'float32');
      expect(run(tf.ones([0, 4]))).to.throw(InvalidArgumentError, 'at least one token');
      expect(run(tf.ones([2, 0]))).to.throw(InvalidArgumentError, 'at least one token');
      expect(run(tf.ones([2, 23]))).to.throw(HadamardSizeError, 'no Hadamard matrix of size 23');
    });
  });
});
