import { expect } from 'chai';
import { attr, nodeAttrs } from '../../../src/graph/attrs.js';

describe('Attributes as ops read them', () => {
  const read = nodeAttrs({
    bits: attr.int(4),
    wide: { i: 7 },
    scale: attr.float(0.5),
    yes: attr.bool(true),
    no: attr.bool(false),
    layout: attr.string('Bt0HC'),
    empty: {},
  });

  it('numbers of either kind, bools, and strings in lower case', () => {
    expect([read.number('bits'), read.number('wide'), read.number('scale')]).to.deep.equal([
      4, 7, 0.5,
    ]);
    expect([read.bool('yes'), read.bool('no')]).to.deep.equal([true, false]);
    expect(read.string('layout')).to.equal('bt0hc');
  });

  it('what is not there, or of another kind, is undefined', () => {
    for (const name of ['gone', 'empty', 'layout']) {
      expect([read.number(name), read.bool(name)], name).to.deep.equal([undefined, undefined]);
    }
    expect([read.string('bits'), read.string('gone')]).to.deep.equal([undefined, undefined]);
  });
});
