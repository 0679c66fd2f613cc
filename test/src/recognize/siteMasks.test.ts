import { expect } from 'chai';
import { describeGraph, fuseGraph } from '../../../src/index.js';
import { opsOf } from '../../harness/graphs/fused.js';
import { LINEAR_FORMS } from '../../harness/graphs/linears.js';
import { MASK_STYLES } from '../../harness/graphs/masked.js';
import {
  captionedDit,
  jointDit,
  type MaskedGraph,
  textEncoder,
} from '../../harness/graphs/maskedGraphs.js';
import { loaded } from '../../harness/graphs/run.js';
import { zoo } from '../../harness/graphs/zoo.js';

async function described(graph: Pick<MaskedGraph, 'artifacts'>) {
  const model = await loaded(graph.artifacts);
  try {
    const { linears, notes } = describeGraph(model);
    return { linears, notes, masks: [...new Set(linears.map(({ tokenMask }) => tokenMask))] };
  } finally {
    model.dispose();
  }
}

describe('the tokens that count, by what attentions hide', () => {
  for (const style of MASK_STYLES) {
    it(`${style}: an encoder has one mask, the same at every site`, async () => {
      const { masks, notes } = await described(textEncoder(style));
      expect(notes).to.deep.equal([]);
      expect(masks).to.have.length(1);
      expect(masks[0]).to.match(/^max\[[12],?2?\] n\d+(\[-1,2,1,10\])? > (-1000|0\.5)$/);
    });

    it(`${style}: captions have one, the tokens that read them none`, async () => {
      if (style === 'pairs') return; // as many queries as keys
      const { linears, notes } = await described(captionedDit(style));
      expect(notes).to.deep.equal([]);
      for (const { role, site, tokenMask, name } of linears) {
        const reads = ['crossAttention.k', 'crossAttention.v'].includes(role);
        const isText = reads || (role === 'embedding' && site === 'n1');
        expect(tokenMask !== null, `${name} ${role} ${site}`).to.equal(isText);
      }
    });
  }

  for (const form of LINEAR_FORMS) {
    it(`linears as ${form} lose no mask, whatever the number of tokens`, async () => {
      for (const tokens of form === 'einsum' ? [10] : [10, -1]) {
        const { masks } = await described(textEncoder('bert', { form, tokens }));
        expect(masks, `${tokens} tokens`).to.have.length(1);
        expect(masks[0]).to.not.equal(null);
      }
    });
  }

  it('a fused attention hides what the one did that was written out', async () => {
    for (const style of ['bert', 'given', 't5'] as const) {
      const model = await loaded(textEncoder(style).artifacts);
      const fused = fuseGraph(model);
      const { linears, notes } = describeGraph(fused);
      expect(opsOf(fused)).to.include({ ScaledDotProductAttention: 2 });
      expect(notes).to.deep.equal([]);
      expect(linears).to.have.length(12);
      const [{ tokenMask: first }] = linears as [(typeof linears)[0]];
      for (const { tokenMask } of linears)
        expect(tokenMask)
          .to.match(/^max\[1,2\] /)
          .and.equal(first);
      model.dispose();
      fused.dispose();
    }
  });

  it('each stream of a joint attention has its part', async () => {
    for (const textFirst of [true, false]) {
      const { linears, notes } = await described(jointDit('bert', textFirst));
      expect(notes).to.deep.equal([]);
      const parts = new Set(linears.map(({ tokenMask }) => tokenMask!.replace(/^.*\)/, '')));
      expect([...parts].sort()).to.deep.equal(textFirst ? ['[0:-6]', '[5:]'] : ['[0:-5]', '[6:]']);
      const [image, text] = ['n0', 'n1'].map((site) => linears.find((one) => one.site === site)!);
      expect(image!.tokenMask).to.match(textFirst ? /\[5:\]$/ : /\[0:-5\]$/);
      expect(text!.tokenMask).to.match(textFirst ? /\[0:-6\]$/ : /\[6:\]$/);
    }
  });

  it('where one attention sees all tokens they all count, and that is said', async () => {
    const { masks, notes } = await described(textEncoder('bert', { masked: [true, false] }));
    expect(masks).to.deep.equal([null]);
    expect(notes).to.have.length(1);
    expect(notes[0]).to.match(/^all tokens of 8 sites count: the softmax "n\d+": sees all of them/);
  });

  it('positions and causality alone hide no token', async () => {
    for (const style of ['t5', 'clip'] as const) {
      const { masks, notes } = await described(textEncoder(style, { masked: [false, false] }));
      expect([masks, notes]).to.deep.equal([[null], []]);
    }
  });

  it('no graph of the zoo has one: its masks are of numbers that hide nothing', async () => {
    for (const { title, build, controlFlow } of zoo()) {
      if (controlFlow) continue;
      const { masks, notes } = await described(build());
      expect([masks, notes], title).to.deep.equal([[null], []]);
    }
  });
});
