import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { CalibrationStats, calibrate, InvalidArgumentError } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { paddingMask } from '../../harness/graphs/masked.js';
import { captionedDit, paddedWords, textEncoder } from '../../harness/graphs/maskedGraphs.js';
import { loaded } from '../../harness/graphs/run.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const TOKENS = 9;
const LENGTHS = [5, 1, 9, 8];

/** The same sentences in one padded batch, and one by one as long as they are. */
function sentences({ padded, mask }: { padded: string; mask: string }) {
  const words = paddedWords(LENGTHS, TOKENS, 3);
  const whole = { [padded]: words, [mask]: paddingMask(LENGTHS, TOKENS) };
  const cut = LENGTHS.map((length, i) => ({
    [padded]: tf.slice(words, [i, 0], [1, length]),
    [mask]: tf.ones([1, length], 'int32'),
  }));
  return { whole, cut };
}

describeOnBackends('calibration with padded tokens', () => {
  for (const style of ['bert', 'pairs'] as const) {
    it(`${style}: statistics are those of the same sentences without padding`, async () => {
      const masked = style === 'pairs' ? [true] : [true, true];
      const graph = textEncoder(style, { tokens: -1, masked });
      const model = await loaded(graph.artifacts);
      const { whole, cut } = sentences(graph);
      const options = { samples: 4, means: 4, tokensPerSample: TOKENS };
      const stats = await calibrate(model, [whole], options);
      const plain = await calibrate(model, cut, options);
      expect([...stats.sites.keys()]).to.deep.equal([...plain.sites.keys()]);
      for (const [key, { total, scatter, kept, mask }] of stats.sites) {
        const other = plain.sites.get(key)!;
        expect(mask).to.match(/^max\[/);
        expect([total.samples, total.tokens]).to.deep.equal([4, 23]);
        for (const name of ['sum', 'within', 'between', 'absMax'] as const) {
          const largest = Math.max(...other.total[name].map(Math.abs));
          expectWithin(total[name], other.total[name], 1e-5 * Math.max(largest, 1));
        }
        expectWithin(scatter!, other.scatter!, 1e-4);
        const byTokens = (of: typeof kept) => [...of].sort((a, b) => a.tokens - b.tokens);
        byTokens(kept).forEach((sample, i) => {
          const twin = byTokens(other.kept)[i]!;
          expect(sample.tokens).to.equal(twin.tokens);
          expectWithin(sample.mean, twin.mean, 1e-4);
          expectWithin(sample.rows, twin.rows, 1e-4);
        });
      }
      model.dispose();
      tf.dispose([whole, cut]);
    });
  }
});

describe('calibration with padded tokens', () => {
  const graph = textEncoder('bert', { tokens: -1 });
  let model: tf.GraphModel;
  before(async () => {
    await tf.setBackend('cpu');
    model = await loaded(graph.artifacts);
  });
  after(() => model.dispose());

  it('by hand: a name, a rule, none at all; and each is kept in a file', async () => {
    await expectNoLeakAsync(async () => {
      const { whole, cut } = sentences(graph);
      const tokensOf = async (tokenMask: Parameters<typeof calibrate>[2] & object) => {
        const stats = await calibrate(model, [whole], { hessian: false, ...tokenMask });
        const read = CalibrationStats.deserialize(stats.serialize());
        return [...read.sites.values()].map(({ mask, total }) => [mask ?? null, total.tokens]);
      };
      const each = (site: unknown) => new Array(8).fill(site);
      expect(await tokensOf({ tokenMask: false })).to.deep.equal(each([null, 36]));
      expect(await tokensOf({ tokenMask: graph.mask })).to.deep.equal(each([graph.mask, 23]));
      const rules = [{ mask: false }, { mask: graph.mask, role: 'mlp' }] as const;
      const ruled = await tokensOf({ tokenMask: rules });
      const named = [graph.mask, 23];
      const all = [null, 36];
      expect(ruled).to.deep.equal([all, all, named, named, all, all, named, named]);
      tf.dispose([whole, cut]);
    });
  });

  it('statistics with other tokens neither merge nor go on', async () => {
    const { whole, cut } = sentences(graph);
    const stats = await calibrate(model, [whole], { hessian: false });
    const all = await calibrate(model, [whole], { hessian: false, tokenMask: false });
    expect(() => stats.merge(all)).to.throw('the two had other tokens count (tokenMask)');
    const more = calibrate(model, [whole, whole], { hessian: false, resume: all });
    expect(await more.catch((error) => `${error}`)).to.match(/resume must be statistics of this/);
    expect(stats.merge(stats).sites.get('n18')!.total.tokens).to.equal(46);
    tf.dispose([whole, cut]);
  });

  it('a sample that is padding alone is none', async () => {
    const dit = captionedDit('bert');
    const own = await loaded(dit.artifacts);
    const inputs = dit.inputs(3, 6, 1);
    const empty = { ...inputs, [dit.mask]: paddingMask([0, 8, 3], 8) };
    const { sites } = await calibrate(own, [empty]);
    const { total, kept } = sites.get('n1')!;
    expect([total.samples, total.tokens, kept.length]).to.deep.equal([2, 11, 2]);
    expect(sites.get('n0')!.total.samples).to.equal(3);
    own.dispose();
    tf.dispose([inputs, empty]);
  });

  const wrong: [string, Parameters<typeof calibrate>[2] & object, string][] = [
    ['another name', { tokenMask: 'mask' }, 'tokenMask must be the name of an input or node'],
    ['true', { tokenMask: true as unknown as false }, "tokenMask must be 'auto', false, or the"],
    ['an unknown role', { tokenMask: { mask: 'n1', role: 'x' as 'mlp' } }, 'tokenMask.role must'],
    ['a key', { tokenMask: { mask: 'n1', sites: 1 } as never }, 'made of mask, role, match'],
    ['a rule for nothing', { tokenMask: { mask: 'n1', match: 'no' } }, 'is for no site'],
    ['a tensor of channels', { tokenMask: { mask: 'n18', role: 'mlp' } }, 'tokenMask must be'],
    ['a mask that waits for itself', { tokenMask: 'n18' }, 'is for no site'],
  ];
  for (const [what, options, message] of wrong) {
    it(`${what} is refused`, async () => {
      const { whole, cut } = sentences(graph);
      const error = await calibrate(model, [whole], options).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(`${error}`).to.contain(message);
      tf.dispose([whole, cut]);
    });
  }
});
