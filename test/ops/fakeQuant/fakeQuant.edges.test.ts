import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  FAKE_QUANT_DEFAULTS,
  type FakeQuantOptions,
  fakeQuant,
  type Granularity,
  InvalidArgumentError,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { EPS } from '../../harness/numbers/compare.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const perGroup = (groupSize: number): Granularity => ({ kind: 'perGroup', groupSize });

describeOnBackends('FakeQuant edges', () => {
  const quantize = (x: tf.TensorLike, options: FakeQuantOptions) =>
    expectNoLeak(() => tf.tidy(() => [...fakeQuant(x, options).dataSync()]));

  it('ties go to even codes, whichever sign', () => {
    const x = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5];
    const even = [-2, -2, 0, 0, 2, 2, 4];
    const symmetric = quantize(x, { bits: 8, symmetric: true, range: { min: -127, max: 127 } });
    expect(symmetric.map(withoutSignedZero)).to.deep.equal(even);
    const asymmetric = quantize(x, { bits: 8, range: { min: -128, max: 127 } });
    expect(asymmetric.map(withoutSignedZero)).to.deep.equal(even);
  });

  it('a range symmetric around 0 has its zero point at 128 of 0 to 255: ties to even', () => {
    // step 2/255, codes −128 to 127 around it: 1 is half a step beyond the last one
    const y = quantize([-1, 1, 0.99], { bits: 8 });
    expect(Math.abs(y[0]! + 1)).to.be.at.most(1 / 255 + 1e-6);
    expect(y[1]).to.be.closeTo(254 / 255, 1e-6);
    expect(y[2]).to.be.closeTo(252 / 255, 1e-6);
  });

  it('a value at the end of float32 stays finite', () => {
    const y = quantize([[3.4e38, -3.4e38, 0, 1]], { bits: 2 });
    expect(y.every(Number.isFinite)).to.be.true;
    expect(Math.abs(y[1]! + 3.4e38)).to.be.at.most(1.14e38);
  });

  it('0 stays exactly 0 in every range', () => {
    for (const range of [
      { min: -1, max: 3 },
      { min: 0.1, max: 3 },
      { min: -3, max: -0.1 },
    ]) {
      expect(quantize([0], { bits: 4, range }).map(withoutSignedZero)).to.deep.equal([0]);
    }
  });

  it('constant rows come back within one rounding, zeros as zeros', () => {
    const y = quantize(
      [
        [0.3, 0.3, 0.3],
        [-7, -7, -7],
        [0, 0, 0],
      ],
      { bits: 2 },
    );
    const expected = [0.3, 0.3, 0.3, -7, -7, -7, 0, 0, 0];
    y.forEach((v, i) => {
      expect(v).to.be.closeTo(expected[i]!, 2 * EPS * Math.abs(expected[i]!));
    });
  });

  it('NaN or Inf makes its whole dynamic group NaN, and no other', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const symmetric of [false, true]) {
        const y = quantize(
          [
            [1, bad, 3, -1],
            [1, 0, 0, 1],
          ],
          { symmetric, granularity: perGroup(2), bits: 2 },
        );
        expect(y.slice(0, 2)).to.deep.equal([Number.NaN, Number.NaN]);
        expect(y.slice(2).every(Number.isFinite)).to.be.true;
      }
    }
  });

  it('a static range clamps Inf and lets NaN through', () => {
    const { POSITIVE_INFINITY: inf, NaN: nan } = Number;
    for (const symmetric of [false, true]) {
      const y = quantize([inf, -inf, nan, 5, -5, 1e30], {
        symmetric,
        bits: 8,
        range: { min: -127, max: 127 },
      });
      expect(y[0]).to.be.closeTo(127, 1);
      expect(y[1]).to.be.closeTo(-127, 1);
      expect(y[2]).to.be.NaN;
      expect(y.slice(3, 5)).to.satisfy(
        ([a, b]: number[]) => Math.abs(a! - 5) <= 0.5 && Math.abs(b! + 5) <= 0.5,
      );
      expect(y[5]).to.equal(y[0]);
    }
  });

  it('denormals become 0, without a hang or a NaN', () => {
    const y = quantize([[1e-40, -1e-41, 0, 1e-45]], { bits: 8 });
    expect(y.map(withoutSignedZero)).to.deep.equal([0, 0, 0, 0]);
  });

  it('quantizing twice changes nothing more', () => {
    tf.tidy(() => {
      const options: FakeQuantOptions = { bits: 4, symmetric: true, granularity: perGroup(16) };
      const once = fakeQuant(tf.tensor2d(normal(4 * 64, 3), [4, 64]), options);
      const twice = fakeQuant(once, options);
      const error = tf.max(tf.abs(tf.sub(once, twice))).dataSync()[0]!;
      expect(error).to.be.at.most(4 * EPS * tf.max(tf.abs(once)).dataSync()[0]!);
    });
  });

  it('the error is at most half a step', () => {
    tf.tidy(() => {
      const x = normal(8 * 96, 11);
      const y = fakeQuant(tf.tensor2d(x, [8, 96]), { bits: 6, symmetric: true }).dataSync();
      for (let row = 0; row < 8; row++) {
        const values = x.subarray(row * 96, (row + 1) * 96);
        const step = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0) / 31;
        values.forEach((v, i) => {
          expect(Math.abs(y[row * 96 + i]! - v)).to.be.at.most((step / 2) * (1 + 1e-5));
        });
      }
    });
  });

  it('takes numbers as tensors, an empty batch, and an absent option as the default', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        expect(fakeQuant([[-1, 0, 0.4, 2]], { bits: 2 }).arraySync()).to.deep.equal([
          [-1, 0, 0, 2],
        ]);
        expect(fakeQuant(tf.zeros([0, 4])).shape).to.deep.equal([0, 4]);
        const x = tf.tensor2d(normal(32, 1), [2, 16]);
        expect(fakeQuant(x).arraySync()).to.deep.equal(
          fakeQuant(x, FAKE_QUANT_DEFAULTS).arraySync(),
        );
      }),
    );
  });

  it('the gradient of a dynamic range is straight-through everywhere', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const dy = tf.tensor2d(normal(12, 2), [3, 4]);
        const x = tf.tensor2d(normal(12, 3), [3, 4]);
        const [dx] = tf.grads((v: tf.Tensor) => fakeQuant(v, { bits: 2 }))([x], dy) as [tf.Tensor];
        expect(dx.arraySync()).to.deep.equal(dy.arraySync());
      }),
    );
  });

  it('the gradient of a static range is dy inside, ends included, and 0 outside', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const x = tf.tensor2d(
          [-2, -1, 0, 1, 1.0001, Number.NaN, Number.NEGATIVE_INFINITY, 0.5],
          [2, 4],
        );
        const dy = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]);
        const grad = tf.grad((v: tf.Tensor) => fakeQuant(v, { range: { min: -1, max: 1 } }));
        expect([...grad(x, dy).dataSync()]).to.deep.equal([0, 2, 3, 4, 0, 0, 0, 8]);
      }),
    );
  });
});

describeOnBackends('FakeQuant validation', () => {
  const x = () => tf.zeros([2, 4]);
  const bad = (options: object) => () => fakeQuant(x(), options);
  const wrong: [string, () => unknown, string][] = [
    ['1 bit', bad({ bits: 1 }), 'bits must be an integer from 2 to 16, got 1.'],
    ['17 bits', bad({ bits: 17 }), 'bits must be an integer from 2 to 16, got 17.'],
    ['4.5 bits', bad({ bits: 4.5 }), 'got 4.5.'],
    ['bits as text', bad({ bits: '8' }), 'got "8".'],
    ['symmetric as text', bad({ symmetric: 'yes' }), 'symmetric must be true or false, got "yes".'],
    [
      'a granularity as text',
      bad({ granularity: 'perToken' }),
      'granularity must be an object, got "perToken".',
    ],
    [
      'an unknown granularity',
      bad({ granularity: { kind: 'perRow' } }),
      'granularity.kind must be perTensor, perChannel, perToken or perGroup, got "perRow".',
    ],
    [
      'an axis too far',
      bad({ granularity: { kind: 'perChannel', axis: 2 } }),
      'axis must be an integer from -2 to 1, got 2.',
    ],
    [
      'a group of none',
      bad({ granularity: perGroup(0) }),
      'groupSize must be an integer ≥ 1, got 0.',
    ],
    [
      'a group beyond any length',
      bad({ granularity: perGroup(2 ** 32) }),
      'groupSize must be an integer from 1 to 2147483647, got 4294967296.',
    ],
    [
      'a group without a size',
      bad({ granularity: { kind: 'perGroup' } }),
      'groupSize must be an integer ≥ 1, got undefined.',
    ],
    [
      'a scalar per token',
      () => fakeQuant(3),
      'granularity must be perTensor for a scalar x, got "perToken".',
    ],
    [
      'a range upside down',
      bad({ range: { min: 1, max: -1 } }),
      'range must be min ≤ max, got [1, -1] in group 0.',
    ],
    [
      'half a range',
      bad({ range: { min: 1 } }),
      'range.max must be a finite float32 number, or 2 of them, one per group, got undefined.',
    ],
    [
      'an infinite range',
      bad({ range: { min: Number.NEGATIVE_INFINITY, max: 0 } }),
      'range.min must be a finite',
    ],
    [
      'a range beyond float32',
      bad({ range: { min: 0, max: 1e300 } }),
      'range.max must be a finite',
    ],
    [
      'a range of another length',
      bad({ range: { min: [0, 0, 0], max: 1 } }),
      'or 2 of them, one per group, got [0, 0, 0].',
    ],
    [
      'null for an axis',
      bad({ granularity: { kind: 'perChannel', axis: null } }),
      'axis must be an integer from -2 to 1, got null.',
    ],
    [
      'an axis where there is none',
      bad({ granularity: { kind: 'perToken', axis: 0 } }),
      'granularity perToken must be made of kind, got "axis".',
    ],
    ['a range that is none', bad({ range: 3 }), 'range must be an object, got 3.'],
    ['an int32 tensor', () => fakeQuant(tf.ones([4], 'int32')), 'dtype int32'],
    ['an option that is not there', bad({ bit: 4 }), 'got "bit".'],
  ];
  for (const [what, call, message] of wrong) {
    it(`${what} is refused with a way out`, () => {
      expectNoLeak(() => tf.tidy(() => void expect(call).to.throw(InvalidArgumentError, message)));
    });
  }
});

/** −0 and 0 are the same number here. */
function withoutSignedZero(v: number): number {
  return v + 0;
}
