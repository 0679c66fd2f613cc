import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { attr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import { calibrate, describeGraph } from '../../../src/index.js';
import { Kit } from '../../harness/graphs/kit.js';
import { tokenLinear } from '../../harness/graphs/linears.js';
import { loaded } from '../../harness/graphs/run.js';
import { randomTensor } from '../../harness/graphs/tensors.js';

const [TOKENS, D] = [6, 16];

/** What is given, and what it makes of the scores [batch, tokens, tokens]. */
interface Given {
  readonly k: Kit;
  /** [batch, tokens], float32. */
  readonly mask: Ref;
  readonly x: Ref;
  readonly scores: Ref;
}

/** An attention of one head whose scores become what `build` says. */
async function attention(build: (given: Given) => Ref) {
  const k = new Kit(9);
  const x = k.input([-1, TOKENS, D]);
  const mask = k.input([-1, TOKENS]);
  const [q, key, v] = ['q', 'k', 'v'].map((part) => {
    const role = `attention.${part}` as 'attention.q';
    return tokenLinear(k, { ref: x, count: TOKENS, d: D }, D, role, 'batch').ref;
  });
  const scores = k.mul(k.batchMatMul(q!, key!, true), k.scalar(0.25));
  const mixed = k.batchMatMul(k.node('Softmax', [build({ k, mask, x, scores })]), v!);
  const out = tokenLinear(k, { ref: mixed, count: TOKENS, d: D }, D, 'attention.out', 'batch').ref;
  const model = await loaded(k.graph.build([k.add(k.add(out, x), mask3(k, mask))]));
  const { linears, notes } = describeGraph(model);
  return { model, x, mask, notes, masks: linears.map(({ tokenMask }) => tokenMask) };
}

/** The mask is an input whoever reads it: it adds nothing to the output. */
const mask3 = (k: Kit, mask: Ref) => k.mul(k.node('ExpandDims', [mask, k.int(-1)]), k.scalar(0));

const row = (k: Kit, mask: Ref) => k.node('ExpandDims', [mask, k.int(1)]);
const column = (k: Kit, mask: Ref) => k.node('ExpandDims', [mask, k.int(2)]);
const not = (k: Kit, mask: Ref) => k.node('Sub', [k.scalar(1), mask]);

/** Ways to hide the keys of 0. */
const FOUND: Readonly<Record<string, (given: Given) => Ref>> = {
  'a bias that is subtracted': ({ k, mask, scores }) =>
    k.node('Sub', [scores, k.mul(row(k, not(k, mask)), k.scalar(1e6))]),
  'a product and a number': ({ k, mask, scores }) => {
    const bias = k.add(k.mul(row(k, mask), k.scalar(1e9)), k.scalar(-1e9));
    return k.add(bias, scores);
  },
  'the logarithm of a mask': ({ k, mask, scores }) => k.add(scores, k.node('Log', [row(k, mask)])),
  'scores times a mask, and a bias': ({ k, mask, scores }) => {
    const bias = k.mul(row(k, k.node('Sub', [mask, k.scalar(1)])), k.scalar(1e5));
    return k.add(k.mul(scores, row(k, mask)), bias);
  },
  'a choice of what is hidden': ({ k, mask, scores }) => {
    const hidden = k.node('Less', [row(k, mask), k.scalar(0.5)]);
    return k.node('SelectV2', [hidden, k.node('Fill', [k.ints([1]), k.scalar(-1e9)]), scores]);
  },
  'a cap of the scores first': ({ k, mask, scores }) => {
    const capped = k.mul(k.node('Tanh', [scores]), k.scalar(30));
    return k.add(capped, k.mul(row(k, not(k, mask)), k.scalar(-1e9)));
  },
  'all pairs that are seen': ({ k, mask, scores }) => {
    const pairs = k.mul(row(k, mask), column(k, mask));
    return k.add(scores, k.mul(not(k, pairs), k.scalar(-1e9)));
  },
};

/** What hides no key. */
const NONE: Readonly<Record<string, (given: Given) => Ref>> = {
  'scores alone': ({ scores }) => scores,
  'a bias of positions': ({ k, scores }) => k.add(scores, k.weight([TOKENS, TOKENS], 30)),
  'a bias for queries alone': ({ k, mask, scores }) =>
    k.add(scores, k.mul(column(k, not(k, mask)), k.scalar(-1e9))),
  'a small bias': ({ k, mask, scores }) =>
    k.add(scores, k.mul(row(k, not(k, mask)), k.scalar(-10))),
  'a choice of a number that hides nothing': ({ k, mask, scores }) =>
    k.node('SelectV2', [k.node('Less', [row(k, mask), k.scalar(0.5)]), k.scalar(0), scores]),
};

describe('ways to hide keys', () => {
  before(() => tf.setBackend('cpu'));

  for (const [what, build] of Object.entries(FOUND)) {
    it(`${what}: the tokens that count are those of the mask`, async () => {
      const { model, x, mask, masks, notes } = await attention(build);
      expect(notes).to.deep.equal([]);
      expect(new Set(masks).size).to.equal(1);
      expect(masks[0]).to.be.a('string');
      const lengths = [4, 6, 1];
      const inputs = {
        [x]: randomTensor([3, TOKENS, D], 3),
        [mask]: tf.tensor2d(
          lengths.map((length) => Array.from({ length: TOKENS }, (_, t) => +(t < length))),
        ),
      };
      const { sites } = await calibrate(model, [inputs], { hessian: false });
      for (const { total } of sites.values()) {
        expect([total.samples, total.tokens]).to.deep.equal([3, 11]);
      }
      tf.dispose(inputs);
      model.dispose();
    });
  }

  for (const [what, build] of Object.entries(NONE)) {
    it(`${what}: all tokens count`, async () => {
      const { model, masks, notes } = await attention(build);
      expect(notes).to.deep.equal([]);
      expect(masks).to.deep.equal([null, null, null, null]);
      model.dispose();
    });
  }

  it('what cannot be told is said', async () => {
    const { model, masks, notes } = await attention(({ k, mask, scores }) => {
      const hidden = k.mul(row(k, not(k, mask)), k.scalar(-1e9));
      return k.node('Cumsum', [k.add(scores, hidden), k.int(0)]);
    });
    expect(masks).to.deep.equal([null, null, null, null]);
    expect(notes.join()).to.match(/Cumsum comes between its scores and its softmax/);
    model.dispose();
  });

  it('a mask that is computed from the tokens themselves is none', async () => {
    const { model, masks, notes } = await attention(({ k, x, scores }) => {
      const size = k.node('Sum', [k.node('Abs', [x]), k.ints([-1])], {
        keep_dims: attr.bool(false),
      });
      const empty = k.node('Cast', [k.node('Less', [size, k.scalar(1e-6)])], {
        DstT: attr.type('float32'),
      });
      return k.add(scores, k.mul(row(k, empty), k.scalar(-1e9)));
    });
    expect(masks.slice(0, 3)).to.deep.equal([null, null, null]);
    expect(masks[3], 'behind the attention it is known').to.be.a('string');
    expect(notes.join()).to.contain('what hides some of them is computed from them');
    model.dispose();
  });
});
