import { expect } from 'chai';
import { hadamardRow } from '../../../ops/hadamardTransform/matrix.js';
import { hadamardTransformReference } from '../../../ops/hadamardTransform/reference.js';
import { BoundedMap } from '../../../ops/numerics/boundedMap.js';
import { HadamardSizeError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { transformBlocks } from '../../../ops/numerics/fastHadamard.js';
import {
  factorSigns,
  findHadamardPlan,
  type HadamardPlan,
  hadamardPlan,
  MAX_HADAMARD_SIZE,
} from '../../../ops/numerics/hadamard.js';
import { crc32 } from '../../../ops/numerics/packing.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import { expectOrthogonal, packSigns } from '../../harness/numbers/orthogonal.js';
import { normal } from '../../harness/numbers/random.js';

/** Paley's orders over prime powers that no prime gives; 28 = 3³ + 1 is also 2 (13 + 1). */
const BY_PRIME_POWERS = [52, 100, 244, 340, 344, 580, 724];

describe('Hadamard plans', () => {
  it('the choice for every size to 20000 is that of files written before', () => {
    const plans = sizesTo(20_000).flatMap((size) => findHadamardPlan(size) ?? []);
    const [old, added] = [plans.filter((plan) => !isNew(plan)), plans.filter(isNew)];
    // of version 0.1.0, which knew primes alone
    expect([old.length, checksum(old.map(textOf))]).to.deep.equal([892, -412909965]);
    expect(added.length).to.equal(54);
    expect(added.map(({ size }) => size)).to.include.members([...BY_PRIME_POWERS, 11_008]);
  });

  it('and so are the signs of every factor', () => {
    const signs = (orders: readonly number[]) =>
      orders.map((order) => {
        const factor = findHadamardPlan(order)!.factors[0]!;
        expect(factor.order).to.equal(order);
        return `${order}: ${crc32(new Uint8Array(factorSigns(factor).buffer))}`;
      });
    const dense = new Set(
      sizesTo(20_000).flatMap((size) =>
        (findHadamardPlan(size)?.factors ?? []).flatMap(({ kind, order }) =>
          kind === 'sylvester' || BY_PRIME_POWERS.includes(order) ? [] : order,
        ),
      ),
    );
    const old = signs([...dense].sort((a, b) => a - b));
    expect([old.length, checksum(old)]).to.deep.equal([88, -619598225]);
    // which polynomial a field is built on is a choice too
    expect(checksum(signs(BY_PRIME_POWERS))).to.equal(1178163691);
  });

  for (const order of BY_PRIME_POWERS) {
    it(`order ${order}, over a prime power, is a Hadamard matrix`, () => {
      const { factors } = hadamardPlan('test', order);
      expect(factors).to.have.length(1);
      const signs = factorSigns(factors[0]!);
      const rows = sizesTo(order).map((i) => signs.subarray((i - 1) * order, i * order));
      expectOrthogonal(rows.map(packSigns), order);
    });
  }

  it('a size that has one alone: 11008 = 344 · 32 is transformed and back', () => {
    expect(textOf(hadamardPlan('test', 11_008))).to.equal('11008: paley1 344, sylvester 32');
    const x = Float64Array.from(normal(11_008, 1));
    const y = new Float64Array(x.length);
    const back = new Float64Array(x.length);
    transformBlocks(x, y, x.length, false);
    transformBlocks(y, back, x.length, true);
    expectWithin(back, x, 1e-12);
    expectWithin(y, hadamardTransformReference(x, x.length), 1e-11);
  });

  const noSizes = [Number.NaN, '4', 0, -4, 1.5, Number.POSITIVE_INFINITY, 2 ** 24 + 4, 2 ** 31];
  for (const size of [...noSizes, 2 ** 53, 9_007_199_254_740_881, null, undefined, {}, [4], 4n]) {
    it(`${typeof size} ${size} is no size, which is said at once`, () => {
      expect(findHadamardPlan(size as number)).to.equal(null);
      const start = performance.now();
      expect(() => hadamardRow(size as number, 0))
        .to.throw(InvalidArgumentError)
        .with.property('message')
        .that.matches(/^hadamardRow: the size of a Hadamard matrix must be an integer from 1 to/);
      expect(performance.now() - start, 'ms').to.be.below(1000);
    });
  }

  // large primes, and twice and four times one
  for (const size of [1_000_003, 16_777_213, 16_777_186, 16_777_172]) {
    it(`${size} has no matrix, which is said at once with sizes that have one`, () => {
      const start = performance.now();
      const error = thrown(() => hadamardRow(size, 0));
      expect(performance.now() - start, 'ms').to.be.below(2000);
      if (!(error instanceof HadamardSizeError)) return expect.fail(`${error}`);
      expect(findHadamardPlan(error.blockSize)).not.to.equal(null);
      expect(findHadamardPlan(error.padTo)).not.to.equal(null);
      expect(error.padTo).to.be.above(size);
      expect(size % error.blockSize).to.equal(0);
    });
  }

  it('the largest size has a matrix', () => {
    const row = hadamardRow(MAX_HADAMARD_SIZE, MAX_HADAMARD_SIZE - 1);
    expect([row.length, row[0], row[1]]).to.deep.equal([2 ** 24, 2 ** -12, -(2 ** -12)]);
  });

  it('a row that the matrix lacks is refused', () => {
    for (const row of [-1, 4, 0.5, Number.NaN, '1', undefined]) {
      expect(() => hadamardRow(4, row as number)).to.throw(InvalidArgumentError, 'row must be');
    }
  });
});

describe('BoundedMap', () => {
  it('makes an entry once, and drops the one that was not used for longest', () => {
    const map = new BoundedMap<number, string | null>(2);
    const made: number[] = [];
    const get = (key: number) =>
      map.get(key, () => {
        made.push(key);
        return key === 1 ? null : `${key}`;
      });
    expect([get(1), get(2), get(1), get(3), get(1), get(2)]).to.deep.equal([
      null,
      '2',
      null,
      '3',
      null,
      '2',
    ]);
    expect(made).to.deep.equal([1, 2, 3, 2]);
    expect(map.size).to.equal(2);
  });

  it('counts what entries take, and does not keep one that is too much by itself', () => {
    const map = new BoundedMap<number, number[]>(10, ({ length }) => length);
    const made: number[] = [];
    const get = (key: number) =>
      map.get(key, () => {
        made.push(key);
        return new Array<number>(key).fill(0);
      });
    for (const key of [4, 5, 11, 4, 5, 6, 4, 11]) expect(get(key)).to.have.lengthOf(key);
    expect(made).to.deep.equal([4, 5, 11, 6, 4, 11]);
    expect(map.size).to.equal(2);
  });
});

function sizesTo(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1);
}

function isNew({ factors }: HadamardPlan): boolean {
  return factors.some(({ order }) => BY_PRIME_POWERS.includes(order));
}

function textOf({ size, factors }: HadamardPlan): string {
  return `${size}: ${factors.map(({ kind, order }) => `${kind} ${order}`).join(', ')}`;
}

function checksum(lines: readonly string[]): number {
  return crc32(new TextEncoder().encode(lines.join('\n')));
}

function thrown(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}
