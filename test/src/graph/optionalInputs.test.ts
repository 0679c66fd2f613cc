import { expect } from 'chai';
import { attr } from '../../../src/graph/attrs.js';
import { optionalInputs } from '../../../src/graph/optionalInputs.js';

describe('optionalInputs', () => {
  it('lists what is there in order, and says of each whether it is', () => {
    const { inputs, flags } = optionalInputs({ hasGamma: 'g', hasBeta: null, hasShift: 's:1' });
    expect(inputs).to.deep.equal(['g', 's:1']);
    expect(Object.entries(flags)).to.deep.equal([
      ['hasGamma', attr.bool(true)],
      ['hasBeta', attr.bool(false)],
      ['hasShift', attr.bool(true)],
    ]);
  });
});
