import { expect } from 'chai';
import { broadcast, named, product, quotient } from '../../../ops/numerics/lengths.js';

const [batch, tokens] = [named('x#0'), named('x#1')];

describe('Lengths that only the run knows', () => {
  it('products are the same in any order, and a length of 0 makes them 0', () => {
    expect(product([2, 3])).to.equal(6);
    expect(product([batch, 2, tokens])).to.equal(product([tokens, batch, 2]));
    expect(product([batch, 2])).not.to.equal(product([batch, 3]));
    expect(product([])).to.equal(1);
    expect([product([batch, 0]), product([0, null])]).to.deep.equal([0, 0]);
    expect(product([2, null])).to.equal(null);
  });

  it('quotients are lengths or nothing', () => {
    expect(quotient(product([batch, tokens, 6]), product([tokens, 3]))).to.equal(
      product([batch, 2]),
    );
    expect(quotient(batch, batch)).to.equal(1);
    expect([quotient(7, 2), quotient(batch, tokens), quotient(3, batch)]).to.deep.equal([
      null,
      null,
      null,
    ]);
    expect([quotient(0, 0), quotient(null, 2), quotient(2, null)]).to.deep.equal([
      null,
      null,
      null,
    ]);
  });

  it('broadcast: 1 gives way, a number is what the other comes to, and two names stay open', () => {
    expect([broadcast(1, batch), broadcast(batch, 1)]).to.deep.equal([batch, batch]);
    expect([broadcast(6, batch), broadcast(null, 6)]).to.deep.equal([6, 6]);
    expect([broadcast(batch, batch), broadcast(4, 4)]).to.deep.equal([batch, 4]);
    expect([broadcast(batch, tokens), broadcast(batch, null)]).to.deep.equal([null, null]);
    expect([broadcast(1, null), broadcast(1, 1)]).to.deep.equal([null, 1]);
  });
});
