import { expect } from 'chai';
import { zoo } from '../../harness/graphs/zoo.js';
import { testStats } from '../../harness/models/zooStats.js';

/** Each another way of tokens, heads and masks; the whole zoo is slow in a browser. */
const TITLES = [
  'a DiT in einsum, attention separate',
  'linears as fusedTurned',
  'all at once',
  'a PixArt as Keras writes it',
  'one stream with rotary positions',
  'behind a switch',
];

describe('Statistics', () => {
  const entries = zoo().filter(({ title }) => TITLES.includes(title));

  it('are compared on models that the zoo has', () => {
    expect(entries.map(({ title }) => title)).to.have.members(TITLES);
  });

  testStats(entries);
});
