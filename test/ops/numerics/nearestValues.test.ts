import { expect } from 'chai';
import fc from 'fast-check';
import { fakeQuantReference } from '../../../ops/fakeQuant/reference.js';
import { nearestValues } from '../../../ops/numerics/formats.js';
import type { Granularity } from '../../../src/index.js';
import { expectCodes } from '../../harness/numbers/codes.js';
import { activationFormat } from '../../harness/numbers/formats.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';

const shapes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });

function granularities(rank: number): fc.Arbitrary<Granularity> {
  const axis = fc.integer({ min: 0, max: rank - 1 });
  return fc.oneof(
    fc.constant<Granularity>({ kind: 'perTensor' }),
    fc.constant<Granularity>({ kind: 'perToken' }),
    axis.map((at): Granularity => ({ kind: 'perChannel', axis: at })),
    fc
      .tuple(axis, fc.integer({ min: 1, max: 10 }))
      .map(([at, groupSize]): Granularity => ({ kind: 'perGroup', axis: at, groupSize })),
  );
}

const cases = shapes.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    granularity: granularities(shape.length),
    bits: fc.integer({ min: 2, max: 16 }),
    symmetric: fc.boolean(),
    seed: fc.nat(),
    exponent: fc.integer({ min: -30, max: 36 }),
  }),
);

describe('The nearest values on host memory', () => {
  it('equals the float64 reference for random shapes, granularities, bits and magnitudes', () => {
    fc.assert(
      fc.property(cases, ({ shape, granularity, bits, symmetric, seed, exponent }) => {
        const values = normal(sizeOf(shape), seed, 0.3).map((v) => v * 10 ** exponent);
        const options = { bits, symmetric, granularity };
        const y = nearestValues(activationFormat(bits, symmetric, granularity), values, shape);
        expectCodes(y, fakeQuantReference(values, shape, options));
      }),
      { numRuns: 1500, seed: 7 },
    );
  });

  it('equals it for random static ranges, one per group or one for all', () => {
    const withRange = fc.tuple(cases, fc.boolean());
    fc.assert(
      fc.property(withRange, ([{ shape, granularity, bits, symmetric, seed }, shared]) => {
        const values = normal(sizeOf(shape), seed);
        const groups = fakeQuantReference(values, shape, { bits, symmetric, granularity }).range;
        const bounds = normal(2 * groups.min.length, seed + 1).map(Math.abs);
        const range = shared
          ? { min: -bounds[0]!, max: bounds[1]! }
          : {
              min: groups.min.map((_, g) => -bounds[2 * g]!),
              max: groups.max.map((_, g) => bounds[2 * g + 1]!),
            };
        const options = { bits, symmetric, granularity, range };
        const format = activationFormat(bits, symmetric, granularity);
        expectCodes(
          nearestValues(format, values, shape, range),
          fakeQuantReference(values, shape, options),
        );
      }),
      { numRuns: 1000, seed: 8 },
    );
  });

  it('any float32 gives a float32: no Infinity from finite values, NaN only from NaN', () => {
    const anyFloat = fc.float({ noNaN: true, noDefaultInfinity: true });
    const rows = fc.array(anyFloat, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 2, max: 16 }), fc.boolean(), (row, bits, symmetric) => {
        const format = activationFormat(bits, symmetric, { kind: 'perToken' });
        const y = nearestValues(format, Float32Array.from(row), [row.length]);
        expect([...y].every(Number.isFinite), `${row} → ${y}`).to.be.true;
      }),
      { numRuns: 3000, seed: 9 },
    );
  });
});
