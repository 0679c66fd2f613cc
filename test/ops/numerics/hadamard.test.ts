import { expect } from 'chai';
import fc from 'fast-check';
import { hadamardRow } from '../../../ops/hadamardTransform/matrix.js';
import { hadamardTransformReference } from '../../../ops/hadamardTransform/reference.js';
import { HadamardSizeError } from '../../../ops/numerics/errors.js';
import { transformBlocks } from '../../../ops/numerics/fastHadamard.js';
import {
  factorSigns,
  findHadamardPlan,
  hadamardPlan,
  hadamardSigns,
} from '../../../ops/numerics/hadamard.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import { expectOrthogonal, packSigns } from '../../harness/numbers/orthogonal.js';
import { normal, uniform } from '../../harness/numbers/random.js';
import { DIT_WIDTHS } from '../../harness/numbers/widths.js';

const WHOLE_MATRIX_UP_TO = 1536;

describe('Hadamard construction', () => {
  for (const n of DIT_WIDTHS) {
    it(`size ${n}: rows are ±1/√n and orthonormal`, () => {
      const sample = n <= WHOLE_MATRIX_UP_TO ? range(n) : spread(n, 64);
      expectOrthogonal(signRows(n, sample), n);
      const entries = hadamardRow(n, sample[sample.length - 1]!);
      expect(
        new Set([...entries].map((v) => Math.abs(v) * Math.sqrt(n)).map(Math.fround)),
      ).to.deep.equal(new Set([1]));
    });

    it(`size ${n}: the fast transform is the explicit matrix, and its transpose undoes it`, () => {
      const x = Float64Array.from(normal(n, n));
      const y = new Float64Array(n);
      const back = new Float64Array(n);
      transformBlocks(x, y, n, false);
      transformBlocks(y, back, n, true);
      expectWithin(back, x, 1e-12);
      expectWithin(y, hadamardTransformReference(x, n), 1e-11);
    });
  }

  it('every factor up to order 256 is a Hadamard matrix', () => {
    let factors = 0;
    for (let order = 1; order <= 256; order++) {
      const factor = findHadamardPlan(order)?.factors[0];
      if (factor?.order !== order) continue;
      const signs = factorSigns(factor);
      expectOrthogonal(
        range(order).map((i) => packSigns(signs.subarray(i * order, (i + 1) * order))),
        order,
      );
      factors++;
    }
    // 1, 2, …, 256; Paley I: 12, 20, 24, …; Paley II: 28, 36, 52, …
    expect(factors).to.be.above(30);
  });

  it("Paley's first construction is not symmetric, so H and Hᵀ differ", () => {
    const plan = hadamardPlan('test', 12);
    const rows = range(12).map((i) => hadamardSigns(plan, i));
    expect(plan.factors[0]!.kind).to.equal('paley1');
    expect(rows.some((row, i) => row.some((sign, j) => sign !== rows[j]![i]))).to.be.true;
  });

  it('random sizes, blocks and directions equal the dense product', () => {
    const blocks = range(200)
      .map((i) => i + 1)
      .filter((n) => findHadamardPlan(n) !== null);
    fc.assert(
      fc.property(
        fc.constantFrom(...blocks),
        fc.integer({ min: 1, max: 3 }),
        fc.boolean(),
        fc.nat(),
        (blockSize, parts, transpose, seed) => {
          const n = blockSize * parts;
          const x = Float64Array.from(normal(2 * n, seed));
          const y = new Float64Array(x.length);
          transformBlocks(x, y, blockSize, transpose);
          expectWithin(y, hadamardTransformReference(x, blockSize, transpose), 1e-12);
        },
      ),
      { numRuns: 200, seed: 1 },
    );
  });

  it('a size without a construction gets an error that names the nearest choices', () => {
    expect(() => hadamardPlan('HadamardTransform', 1150))
      .to.throw(
        HadamardSizeError,
        'HadamardTransform: no Hadamard matrix of size 1150 (2·5²·23). ' +
          'Use blockSize 2, or pad the layer to 1152.',
      )
      .that.includes({ op: 'HadamardTransform', size: 1150, blockSize: 2, padTo: 1152 });
    expect(() => hadamardPlan('x', 7)).to.throw(
      HadamardSizeError,
      'no Hadamard matrix of size 7 (7). Pad the layer to 8.',
    );
  });

  it('sizes are refused or served: 1, 2 and multiples of 4 alone can have one', () => {
    for (let n = 1; n <= 500; n++) {
      const plan = findHadamardPlan(n);
      if (plan === null) continue;
      expect(n <= 2 || n % 4 === 0, `${n}`).to.be.true;
      expect(plan.factors.reduce((size, { order }) => size * order, 1)).to.equal(n);
    }
    for (const n of [0, -4, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(findHadamardPlan(n)).to.be.null;
  });
});

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/** The first, the last and `count` − 2 seeded numbers below n. */
function spread(n: number, count: number): number[] {
  const next = uniform(n);
  const between = range(count - 2).map(() => Math.floor(next() * n));
  return [...new Set([0, ...between, n - 1])];
}

function signRows(n: number, rows: readonly number[]): Uint32Array[] {
  const plan = hadamardPlan('test', n);
  return rows.map((row) => packSigns(hadamardSigns(plan, row)));
}
