import { expect } from 'chai';
import { rangeWithZero } from '../../../ops/numerics/ranges.js';

describe('rangeWithZero', () => {
  it('holds every number, and 0', () => {
    expect(rangeWithZero([3, -2, 5])).to.deep.equal({ min: -2, max: 5 });
    expect(rangeWithZero([3, 5])).to.deep.equal({ min: 0, max: 5 });
    expect(rangeWithZero([-3])).to.deep.equal({ min: -3, max: 0 });
    expect(rangeWithZero([])).to.deep.equal({ min: 0, max: 0 });
  });

  it('passes NaN over, and takes infinities', () => {
    const values = Float32Array.of(Number.NaN, 1, Number.NEGATIVE_INFINITY);
    expect(rangeWithZero(values)).to.deep.equal({ min: Number.NEGATIVE_INFINITY, max: 1 });
  });
});
