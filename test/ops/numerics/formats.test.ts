import { expect } from 'chai';
import fc from 'fast-check';
import {
  bytesOf,
  type Codes,
  codeOffset,
  codeRange,
  FLOAT16,
  FLOAT32,
  fitsIn,
  groupedAlong,
  halfInFull,
  halfInRange,
  hasZeroPoint,
  nearestCode,
  nearestValues,
  quantizationParameters,
  storableScale,
  type UniformFormat,
} from '../../../ops/numerics/formats.js';
import { roundToHalf } from '../../../ops/numerics/half.js';
import { packCodes } from '../../../ops/numerics/packing.js';
import {
  forEachRun,
  type Granularity,
  quantizationLayout,
} from '../../../ops/numerics/quantization.js';
import { normal } from '../../harness/numbers/random.js';

const CODES: readonly Codes[] = ['unsigned', 'symmetric', 'signed'];
const EPS = 2 ** -24;

const granularities: fc.Arbitrary<Granularity> = fc.oneof(
  fc.constantFrom<Granularity>({ kind: 'perTensor' }, { kind: 'perToken' }),
  fc.nat(1).map((axis): Granularity => ({ kind: 'perChannel', axis })),
  fc
    .tuple(fc.nat(1), fc.integer({ min: 1, max: 9 }))
    .map(([axis, groupSize]): Granularity => ({ kind: 'perGroup', axis, groupSize })),
);
const formats = fc.record({
  kind: fc.constant('uniform' as const),
  bits: fc.integer({ min: 2, max: 8 }),
  codes: fc.constantFrom(...CODES),
  granularity: granularities,
});
const shapes = fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 19 }));

function uniform(bits: number, codes: Codes): UniformFormat {
  return { kind: 'uniform', bits, codes, granularity: { kind: 'perTensor' } };
}

/** The group of every element of a matrix. */
function groupsOf({ granularity }: UniformFormat, [rows, columns]: readonly [number, number]) {
  const groups = new Int32Array(rows * columns);
  forEachRun(quantizationLayout(granularity, [rows, columns]), (start, end, group, apart) => {
    for (let at = start; at < end; at++) groups[at] = apart ? group + at - start : group;
  });
  return groups;
}

describe('Number formats', () => {
  it('codes of b bits are 2^b, or one fewer where both ends are equally far', () => {
    for (let bits = 2; bits <= 16; bits++) {
      for (const codes of CODES) {
        const format = uniform(bits, codes);
        const { qMin, qMax } = codeRange(format);
        expect(qMax - qMin + 1).to.equal(2 ** bits - (codes === 'symmetric' ? 1 : 0));
        expect(qMin + codeOffset(format)).to.equal(codes === 'symmetric' ? 1 : 0);
        expect(qMax + codeOffset(format)).to.equal(2 ** bits - 1);
        if (codes === 'symmetric') expect(qMin).to.equal(-qMax);
      }
    }
  });

  it('only codes without a sign have a zero point, and 0 is always one of the numbers', () => {
    fc.assert(
      fc.property(formats, fc.nat(), (format, seed) => {
        const [a, b] = normal(2, seed);
        const [lo, hi] = [Float32Array.of(Math.min(a!, 0)), Float32Array.of(Math.max(b!, 0))];
        const { zeroPoint, low, high } = quantizationParameters(format, { lo, hi });
        const { qMin, qMax } = codeRange(format);
        if (!hasZeroPoint(format)) expect(zeroPoint[0]).to.equal(0);
        expect(zeroPoint[0]).to.be.within(qMin, qMax);
        expect([low[0], high[0]]).to.deep.equal([qMin - zeroPoint[0]!, qMax - zeroPoint[0]!]);
      }),
    );
  });

  it('the nearest values are half a step off at most, and stay as they are a second time', () => {
    fc.assert(
      fc.property(formats, shapes, fc.nat(), (format, shape, seed) => {
        const x = normal(shape[0] * shape[1], seed, 0.4);
        const y = nearestValues(format, x, shape);
        const groups = groupsOf(format, shape);
        const lo = new Float32Array(Math.max(...groups) + 1);
        const hi = new Float32Array(lo.length);
        groups.forEach((g, i) => {
          lo[g] = Math.min(lo[g]!, x[i]!);
          hi[g] = Math.max(hi[g]!, x[i]!);
        });
        const { scale } = quantizationParameters(format, { lo, hi });
        x.forEach((v, i) => {
          // an asymmetric range is moved by half a step, so that 0 is one of its numbers
          const step = scale[groups[i]!]! * (hasZeroPoint(format) ? 1 : 0.5);
          expect(Math.abs(v - y[i]!)).to.be.at.most(step * (1 + 1e-3) + 4 * EPS * Math.abs(v));
        });
        const range = { min: [...lo], max: [...hi] };
        const fixed = nearestValues(format, x, shape, range);
        expect(fixed).to.deep.equal(y);
        expect(nearestValues(format, fixed, shape, range)).to.deep.equal(fixed);
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it('numbers in floating point are rounded to it', () => {
    const x = normal(100, 1);
    expect(nearestValues(FLOAT32, x, [100])).to.deep.equal(x);
    expect(nearestValues(FLOAT16, x, [100])).to.deep.equal(roundToHalf(x));
  });

  it('a format by groups along an axis shares scales as the format itself does', () => {
    fc.assert(
      fc.property(formats, shapes, fc.constantFrom<0 | 1>(0, 1), (format, shape, axis) => {
        const grouped = groupedAlong(format, axis, shape[axis]!);
        if (grouped === null) return;
        expect({ ...grouped, granularity: null }).to.deep.equal({ ...format, granularity: null });
        expect(grouped.granularity.axis).to.equal(axis);
        expect(grouped.granularity.groupSize).to.be.within(1, shape[axis]!);
        expect(groupsOf(grouped, shape)).to.deep.equal(groupsOf(format, shape));
      }),
    );
    const whole: Granularity = { kind: 'perTensor' };
    expect(groupedAlong({ ...uniform(4, 'signed'), granularity: whole }, 0, 2)).to.equal(null);
  });

  it('bytes are those of the packed codes, of the scales and of zero points', () => {
    fc.assert(
      fc.property(formats, shapes, (format, [d, n]) => {
        const packed = packCodes(new Int8Array(d * n), d, n, format.bits).length;
        const groups = new Set(groupsOf(format, [d, n])).size * (hasZeroPoint(format) ? 2 : 1);
        expect(bytesOf(format, [d, n])).to.equal(packed + 4 * groups);
        expect(bytesOf(format, [d, n], FLOAT16)).to.equal(packed + 2 * groups);
      }),
    );
    expect([bytesOf(FLOAT32, [3, 5]), bytesOf(FLOAT16, [3, 5])]).to.deep.equal([60, 30]);
  });

  it('the nearest code is within the bounds, ties to even', () => {
    const codes = [-9, -2.5, -1.5, -0.5, 0.5, 1.5, 9, Number.POSITIVE_INFINITY].map((q) =>
      nearestCode(q, -4, 3),
    );
    expect(codes).to.deep.equal([-4, -2, -2, 0, 0, 2, 3, 3]);
    expect(nearestCode(Number.NaN, -4, 3)).to.deep.equal(Number.NaN);
  });

  it('scales are stored as halves where these are normal, and never as 0', () => {
    for (const scale of [1 / 3, -1 / 3, 2 ** -14, 65504]) {
      expect(storableScale(scale)).to.equal(roundToHalf([scale])[0]);
    }
    for (const scale of [2 ** -15 * 1.3, 1e6, -1e-30]) {
      expect(storableScale(scale)).to.equal(Math.fround(scale));
    }
    expect([storableScale(0), storableScale(1e-60)]).to.deep.equal([1, 1]);
  });

  it('half precision is for values in its range, for scales if none is below the normal', () => {
    const cases = [
      [[1, 65504, 0], FLOAT16, FLOAT16],
      [[1, 2 ** -15], FLOAT16, FLOAT32],
      [[1, -65505], FLOAT32, FLOAT32],
      [[0, 0], FLOAT16, FLOAT16],
      [[0, -(2 ** -14)], FLOAT16, FLOAT16],
      [[0, 2 ** -15], FLOAT32, FLOAT32],
      [[1e-7, -2e-7], FLOAT32, FLOAT32],
      [[Number.NaN, 1e-7], FLOAT16, FLOAT32],
      [[Number.NaN, 1e6], FLOAT32, FLOAT32],
    ] as const;
    for (const [values, range, full] of cases) {
      expect(halfInRange(Float32Array.from(values))).to.equal(range);
      expect(halfInFull(Float32Array.from(values))).to.equal(full);
    }
  });

  it('floating point fits in no number of bits', () => {
    expect([3, 4, 5].map((bits) => fitsIn(uniform(4, 'unsigned'), bits))).to.deep.equal([
      ...[false, true, true],
    ]);
    expect([fitsIn(FLOAT32, 32), fitsIn(FLOAT16, 32)]).to.deep.equal([false, false]);
  });
});
