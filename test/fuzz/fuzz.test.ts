import { expect } from 'chai';
import { KINDS } from './run/kindList.js';
import { rounds } from './run/plan.js';
import { Tally } from './run/tally.js';
import { watch } from './run/watch.js';

/** Another one finds other things: `npm run fuzz` takes a new one each time. */
const SEED = 1;
const RUNS = 700;

describe('Fuzz', () => {
  it('mutated inputs are answered rightly, refused with a typed error, or are tfjs’s', async () => {
    const tally = new Tally();
    const signal = new AbortController().signal;
    const names = KINDS.map(({ name }) => name);
    for (const jobs of rounds(names, RUNS)) {
      await watch(SEED, jobs, (ended) => tally.add(ended), signal);
    }
    console.log(tally.table().replace(/^/gm, '      '));
    expect(tally.findings).to.deep.equal([]);
    expect(tally.kinds).to.deep.equal(names);
    expect(tally.total).to.be.at.least(RUNS);
    expect(tally.countOf('right')).to.be.above(RUNS / 10);
    expect(tally.countOf('typed')).to.be.above(RUNS / 10);
  }).timeout(600_000);
});
