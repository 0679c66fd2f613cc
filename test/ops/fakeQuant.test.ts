import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type FakeQuantReference, fakeQuantReference } from '../../ops/fakeQuant/reference.js';
import {
  FAKE_QUANT_DEFAULTS,
  type FakeQuantOptions,
  fakeQuant,
  type Granularity,
  InvalidArgumentError,
} from '../../src/index.js';
import { describeOnBackends } from '../harness/backends.js';
import { EPS } from '../harness/compare.js';
import { expectNoLeak } from '../harness/memory.js';
import { type GradientCheck, type OpCase, runOpCases } from '../harness/opCases.js';
import { normal, sizeOf } from '../harness/random.js';

interface Row {
  shape: number[];
  granularity: Granularity;
  bits?: number;
  symmetric?: boolean;
  range?: { min: number | number[]; max: number | number[] };
  values?: Float32Array;
}

const perGroup = (groupSize: number, axis = -1): Granularity => ({
  kind: 'perGroup',
  axis,
  groupSize,
});
const perChannel = (axis = -1): Granularity => ({ kind: 'perChannel', axis });
const perToken: Granularity = { kind: 'perToken' };
const perTensor: Granularity = { kind: 'perTensor' };

const ROWS: readonly Row[] = [
  { shape: [], granularity: perTensor },
  { shape: [1], granularity: perToken },
  { shape: [2, 3, 5], granularity: perTensor },
  { shape: [2, 3, 5], granularity: perTensor, symmetric: true, bits: 4 },
  { shape: [2, 3, 5], granularity: perToken },
  { shape: [7, 65], granularity: perToken, symmetric: true },
  { shape: [3, 4], granularity: perChannel(0), bits: 3 },
  { shape: [5, 7], granularity: perChannel(1), symmetric: true, bits: 4 },
  { shape: [2, 3, 5], granularity: perChannel(1), bits: 4 },
  { shape: [2, 3, 5], granularity: perChannel(-1), bits: 4 },
  { shape: [3, 64], granularity: perGroup(16), bits: 4 },
  { shape: [3, 65], granularity: perGroup(16), bits: 4 },
  { shape: [3, 63], granularity: perGroup(16), bits: 4, symmetric: true },
  { shape: [3, 15], granularity: perGroup(16), bits: 4 },
  { shape: [2, 9], granularity: perGroup(1), bits: 2 },
  { shape: [17, 6], granularity: perGroup(8, 0), bits: 4, symmetric: true },
  { shape: [2, 9, 3], granularity: perGroup(4, 1), bits: 4 },
  { shape: [4, 3, 2], granularity: perGroup(2, 0), bits: 5 },
  { shape: [64, 192], granularity: perGroup(64), bits: 4 },
  { shape: [128, 96], granularity: perGroup(64, 0), bits: 4, symmetric: true },
  // large enough for the other path of kernels that have two
  { shape: [230, 1152], granularity: perToken },
  { shape: [230, 1152], granularity: perGroup(64), bits: 4, symmetric: true },
  ...[2, 3, 6, 8, 12, 16].flatMap((bits) => [
    { shape: [4, 33], granularity: perToken, bits },
    { shape: [4, 33], granularity: perToken, bits, symmetric: true },
  ]),
  { shape: [3, 7], granularity: perTensor, range: { min: -1, max: 1.5 } },
  { shape: [3, 7], granularity: perTensor, range: { min: 0.5, max: 1.5 }, bits: 4 },
  { shape: [3, 7], granularity: perTensor, range: { min: -1, max: 0.5 }, bits: 4, symmetric: true },
  {
    shape: [2, 3, 4],
    granularity: perChannel(),
    range: { min: [-1, -2, 0, -0.5], max: [1, 0, 2, 0.25] },
  },
  { shape: [2, 3, 4], granularity: perChannel(1), range: { min: [-1, -2, 0], max: 1 }, bits: 4 },
  { shape: [3, 4], granularity: perToken, range: { min: -1, max: [0.5, 1, 2] }, bits: 4 },
  {
    shape: [2, 5],
    granularity: perGroup(2),
    range: { min: [-1, -1, -2, -0.5, -1, -2], max: [1, 2, 1, 1, 1, 0.25] },
    bits: 4,
  },
  {
    shape: [5, 2],
    granularity: perGroup(3, 0),
    range: { min: [-1, -1, -2, -0.5], max: 1 },
    bits: 3,
    symmetric: true,
  },
  // NaN and Inf are in the edges below; here is what is extreme and still a number
  { shape: [3, 6], granularity: perToken, values: rowsOf(6, [0.7, 0, -3]) },
  { shape: [3, 6], granularity: perToken, symmetric: true, values: rowsOf(6, [0.7, 0, -3]) },
  { shape: [4, 16], granularity: perToken, values: withOutlier(64, 37, 1e30) },
  {
    shape: [4, 16],
    granularity: perGroup(4),
    bits: 4,
    symmetric: true,
    values: withOutlier(64, 37, 1e30),
  },
  { shape: [2, 8], granularity: perToken, values: normal(16, 5, 0, 1e38) },
  {
    shape: [2, 2],
    granularity: perToken,
    bits: 2,
    values: Float32Array.of(3.4e38, -3.4e38, 3.4e38, 1),
  },
  { shape: [2, 8], granularity: perToken, values: normal(16, 6, 0, 1e-39) },
  {
    shape: [2, 8],
    granularity: perToken,
    bits: 16,
    symmetric: true,
    values: normal(16, 7, 0, 1e-37),
  },
];

runOpCases('FakeQuant', ROWS.map(toCase));

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

  it('a range that is symmetric around 0 has its zero point at 128 of 0 to 255: ties to even', () => {
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

  it('numbers are taken as tensors are, an empty batch stays empty, an absent option means the default', () => {
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
      'options must be an object, got "perToken".',
    ],
    [
      'an unknown granularity',
      bad({ granularity: { kind: 'perRow' } }),
      'granularity.kind must be perTensor, perChannel, perToken or perGroup, got "perRow".',
    ],
    [
      'an axis too far',
      bad({ granularity: perChannel(2) }),
      'axis must be an integer from -2 to 1, got 2.',
    ],
    [
      'a group of none',
      bad({ granularity: perGroup(0) }),
      'groupSize must be an integer ≥ 1, got 0.',
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
    ['an int32 tensor', () => fakeQuant(tf.ones([4], 'int32')), 'dtype int32'],
    ['an option that is not there', bad({ bit: 4 }), 'got "bit".'],
  ];
  for (const [what, call, message] of wrong) {
    it(`${what} is refused with a way out`, () => {
      expectNoLeak(() => tf.tidy(() => void expect(call).to.throw(InvalidArgumentError, message)));
    });
  }
});

function toCase(row: Row): OpCase {
  const { shape, granularity, bits = 8, symmetric = false, range } = row;
  const size = sizeOf(shape);
  const values = row.values ?? normal(size, size + bits, 0.3);
  const options = { bits, symmetric, granularity, ...(range ? { range } : {}) };
  let mates: boolean[] | undefined;
  // at 2 bits no element is a whole step away from both ends
  const hasGradient = row.values === undefined && bits > 2 && size > 1 && size < 1000;
  const kind =
    granularity.kind === 'perGroup' ? `perGroup ${granularity.groupSize}` : granularity.kind;
  const axis = 'axis' in granularity ? ` along ${granularity.axis}` : '';
  const [x0] = values;
  return {
    name:
      `[${shape}] ${kind}${axis}, ${bits} bits${symmetric ? ' symmetric' : ''}` +
      `${range ? ', static range' : ''}${row.values ? `, x = ${x0?.toPrecision(2)}…` : ''}`,
    inputs: [{ shape, values }],
    run: ([x]) => [fakeQuant(x!, options)],
    shapes: [shape],
    check: ([y]) => expectCodes(y!, fakeQuantReference(values, shape, options)),
    ...(hasGradient ? { gradient: straightThrough(values, shape, options) } : {}),
    ...(range === undefined && size > 1
      ? {
          poison: {
            element: size >> 1,
            reaches: (_: number, i: number) => {
              mates ??= groupMates(shape, granularity, size >> 1);
              return mates[i]!;
            },
          },
        }
      : {}),
  };
}

/** Codes must equal the reference's, except where the quotient is within float32 rounding of a tie. */
function expectCodes(y: Float32Array, exact: FakeQuantReference): void {
  let ties = 0;
  y.forEach((value, i) => {
    const scale = exact.scale[i]!;
    const expected = exact.values[i]!;
    // scale and product rounded once each, the naive float32 error; twice that is allowed
    const bound = 2 * 2 * EPS * Math.abs(expected);
    if (Math.abs(value - expected) <= bound) return;
    const quotient = exact.quotients[i]!;
    const fromTie = Math.abs(Math.abs(quotient - Math.trunc(quotient)) - 0.5);
    expect(
      fromTie,
      `element ${i}: ${value}, expected ${expected}; distance from a tie`,
    ).to.be.at.most(4 * EPS * Math.max(1, Math.abs(quotient)));
    expect(Math.abs(value - expected)).to.be.at.most(scale * (1 + 1e-6) + bound);
    ties++;
  });
  expect(ties, 'codes that fell on the other side of a tie').to.be.at.most(1 + y.length / 1000);
}

/**
 * A staircase has no derivative, but over one whole step to each side its slope is exactly that of the straight-through
 * estimator: 1 inside the range, 0 outside. The range of the unperturbed tensor is kept.
 */
function straightThrough(
  values: Float32Array,
  shape: readonly number[],
  options: Omit<Row, 'shape'> & { bits: number; symmetric: boolean },
): GradientCheck {
  const { scale, range, ends } = fakeQuantReference(values, shape, options);
  return {
    reference: ([x]) => [fakeQuantReference(x!, shape, { ...options, range }).values],
    step: (_, i) => scale[i]!,
    tolerance: 1e-4,
    smoothAt: (_, i) => {
      const end = Math.max(-ends.min[i]!, ends.max[i]!);
      const [lo, hi] = options.symmetric ? [-end, end] : [ends.min[i]!, ends.max[i]!];
      const margin = 1.6 * scale[i]!;
      const v = values[i]!;
      return (v > lo + margin && v < hi - margin) || v < lo - margin || v > hi + margin;
    },
  };
}

/** Whether each element shares its group with element `at`. */
function groupMates(shape: readonly number[], granularity: Granularity, at: number): boolean[] {
  const probe = new Float32Array(sizeOf(shape));
  probe[at] = Number.NaN;
  const { values } = fakeQuantReference(probe, shape, { bits: 8, symmetric: false, granularity });
  return Array.from(values, Number.isNaN);
}

function rowsOf(n: number, constants: readonly number[]): Float32Array {
  return Float32Array.from(constants.flatMap((c) => Array<number>(n).fill(c)));
}

function withOutlier(size: number, at: number, outlier: number): Float32Array {
  const values = normal(size, 21);
  values[at] = outlier;
  return values;
}

/** −0 and 0 are the same number here. */
function withoutSignedZero(v: number): number {
  return v + 0;
}
