import { expect } from 'chai';
import { groupBy } from '../../../src/math/groups.js';

describe('groupBy', () => {
  it('keeps the order of things, and of what they have in common', () => {
    const groups = groupBy([5, 2, 4, 1, 3], (n) => n % 2);
    expect([...groups]).to.deep.equal([
      [1, [5, 1, 3]],
      [0, [2, 4]],
    ]);
  });

  it('of nothing there are none', () => {
    expect([...groupBy([], String)]).to.deep.equal([]);
  });
});
