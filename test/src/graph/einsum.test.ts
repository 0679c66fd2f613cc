import { expect } from 'chai';
import { attr } from '../../../src/graph/attrs.js';
import { ELLIPSIS, parseEinsum, plainEinsum } from '../../../src/graph/einsum.js';
import { makeNode } from '../../../src/graph/ir.js';

const plain = (equation: string) =>
  plainEinsum(makeNode('Einsum', 'n', ['a', 'b'], { equation: attr.string(equation) }));

describe('parseEinsum', () => {
  it('spaces do not matter, and labels come once each, in their order', () => {
    const { equation, terms, output, labels } = parseEinsum(' b q c , b k c -> b q k ');
    expect(equation).to.equal('bqc,bkc->bqk');
    expect(terms).to.deep.equal([
      ['b', 'q', 'c'],
      ['b', 'k', 'c'],
    ]);
    expect(output).to.deep.equal(['b', 'q', 'k']);
    expect(labels).to.deep.equal(['b', 'q', 'c', 'k']);
  });

  it('an equation without an arrow has no written output, with nothing behind it a scalar', () => {
    expect(parseEinsum('ab,bc').output).to.equal(null);
    expect(parseEinsum('ab,ab->').output).to.deep.equal([]);
  });

  it('an ellipsis is one label', () => {
    const { terms, output, hasEllipsis, hasRepeats } = parseEinsum('...ab,bc->...ac');
    expect(terms[0]).to.deep.equal([ELLIPSIS, 'a', 'b']);
    expect(output).to.deep.equal([ELLIPSIS, 'a', 'c']);
    expect([hasEllipsis, hasRepeats]).to.deep.equal([true, false]);
  });

  it('a label that a term has twice is told, one that two terms share is not', () => {
    const repeats = (equation: string) => parseEinsum(equation).hasRepeats;
    expect(['aab,bc->ac', 'ab,bcc->ac', 'ab,bc->aa'].map(repeats)).to.not.include(false);
    expect(['ab,bc->ac', 'ab,ab->ab', 'ab,bc'].map(repeats)).to.not.include(true);
  });

  it('nothing is an operand without labels', () => {
    expect(parseEinsum('').terms).to.deep.equal([[]]);
    expect(parseEinsum(',a->a').terms).to.deep.equal([[], ['a']]);
  });
});

describe('plainEinsum', () => {
  it('takes two operands whose axes and result are all named', () => {
    expect(plain('abc, cd -> abd')?.terms[1]).to.deep.equal(['c', 'd']);
    expect(plain('ab,ab->')?.output).to.deep.equal([]);
  });

  it('refuses anything with more to it', () => {
    const others = {
      'one operand': 'ab->ba',
      'three operands': 'ab,bc,cd->ad',
      'no arrow': 'ab,bc',
      'an ellipsis': '...b,bc->...c',
      'a diagonal': 'aa,ab->ab',
      'a diagonal result': 'ab,bc->aa',
      'a label from nowhere': 'ab,bc->ad',
    };
    for (const [title, equation] of Object.entries(others)) {
      expect(plain(equation), title).to.equal(null);
    }
  });
});
