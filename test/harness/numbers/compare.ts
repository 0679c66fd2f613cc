import { expect } from 'chai';

/** Relative rounding error of float32. */
export const EPS = 2 ** -24;

type Numbers = ArrayLike<number>;

/** The largest |actual − expected|; NaN where just one of them is. */
export function maxError(actual: Numbers, expected: Numbers): number {
  expect(actual.length, 'number of elements').to.equal(expected.length);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const bothNaN = Number.isNaN(actual[i]) && Number.isNaN(expected[i]);
    const error = bothNaN || actual[i] === expected[i] ? 0 : Math.abs(actual[i]! - expected[i]!);
    largest = Math.max(largest, error);
  }
  return largest;
}

/** The largest finite magnitude. */
export function maxMagnitude(values: Numbers): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) largest = Math.max(largest, Math.abs(values[i]!));
  }
  return largest;
}

/**
 * The bar for every float result: at most twice the error of the naive float32 loop. One rounding
 * of the largest result is allowed on top, because a float32 result cannot do without it and the
 * naive loop can be lucky.
 */
export function expectWithinTwiceNaive(actual: Numbers, exact: Numbers, naive: Numbers): void {
  const bound = 2 * maxError(naive, exact) + EPS * maxMagnitude(exact);
  expect(maxError(actual, exact), 'largest error').to.be.at.most(bound);
}

/** Checks |actual − expected| ≤ bound for every element. */
export function expectWithin(actual: Numbers, expected: Numbers, bound: number): void {
  expect(maxError(actual, expected), 'largest error').to.be.at.most(bound);
}

/**
 * Checks a number of elements each; `wrong` says what is wrong with one, or gives null. An
 * assertion for each takes longer than most kernels.
 */
export function expectEvery(count: number, wrong: (i: number) => string | null): void {
  for (let i = 0; i < count; i++) {
    const problem = wrong(i);
    if (problem !== null) expect.fail(problem);
  }
}
