import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type AttrValue, attr } from '../../../src/graph/attrs.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import {
  type AttentionOptions,
  HadaNormError,
  InvalidArgumentError,
  scaledDotProductAttention,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const zeros = (...shape: number[]) => tf.zeros(shape);

describeOnBackends('ScaledDotProductAttention at its edges', (backend) => {
  it('one tensor may be queries, keys and values', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const x = tf.tensor3d(normal(2 * 9 * 5, 1), [2, 9, 5]);
        const y = scaledDotProductAttention(x, x, x);
        const apart = scaledDotProductAttention(x, x.clone(), x.clone());
        expect([...y.dataSync()]).to.deep.equal([...apart.dataSync()]);
      }),
    );
  });

  it('a mask of −∞ hides keys, and all hidden give NaN, as softmax does', () => {
    tf.tidy(() => {
      const hide = Number.NEGATIVE_INFINITY;
      const [q, k] = [tf.tensor2d(normal(9, 2), [3, 3]), tf.tensor2d(normal(18, 3), [6, 3])];
      const v = tf.tensor2d(normal(24, 4), [6, 4]);
      const mask = tf.tensor2d([
        [0, 0, hide, hide, 0, hide],
        [hide, hide, hide, hide, hide, hide],
        [hide, 0, hide, hide, hide, hide],
      ]);
      const y = scaledDotProductAttention(q, k, v, { mask });
      const seen = [0, 1, 4];
      const some = scaledDotProductAttention(
        tf.slice(q, [0, 0], [1, 3]),
        tf.gather(k, seen),
        tf.gather(v, seen),
      );
      const rows = y.arraySync() as number[][];
      expectWithin(rows[0]!, some.dataSync(), 1e-6);
      // tfjs's softmax on webgl divides 0 by 0 and has 1
      if (backend !== 'webgl') expect(rows[1]!.every(Number.isNaN), 'all hidden').to.equal(true);
      expectWithin(rows[2]!, tf.slice(v, [1, 0], [1, 4]).dataSync(), 1e-6);
    });
  });

  it('scores of thousands do not overflow, and the largest one wins', () => {
    tf.tidy(() => {
      const k = tf.tensor2d([1e4, 9e3, -1e4, 1e4 - 64, 0], [5, 1]);
      const v = tf.tensor2d([1, 2, 3, 4, 5], [5, 1]);
      const y = scaledDotProductAttention([[1], [-1]], k, v);
      expect([...y.dataSync()]).to.deep.equal([1, 3]);
    });
  });

  it('a NaN or +∞ reaches the queries that see it, in a key or a value all of its head', () => {
    tf.tidy(() => {
      const clean = { q: normal(30, 5), k: normal(42, 6), v: normal(42, 7) };
      const run = (changed: Partial<typeof clean>) => {
        const { q, k, v } = { ...clean, ...changed };
        const heads = [q, k, v].map((x) => tf.tensor3d(x, [2, x.length / 6, 3]));
        return scaledDotProductAttention(heads[0]!, heads[1]!, heads[2]!).dataSync();
      };
      const put = (x: Float32Array, at: number, value: number) =>
        x.map((old, i) => (i === at ? value : old));
      const flags = (y: ArrayLike<number>) => [...Array.from(y)].map(Number.isNaN);
      const head = [...new Array(15).fill(true), ...new Array(15).fill(false)];
      const nan = Number.NaN;
      expect(flags(run({}))).to.deep.equal(new Array(30).fill(false));
      expect(flags(run({ k: put(clean.k, 4, nan) }))).to.deep.equal(head);
      const column = head.map((inHead, i) => inHead && i % 3 === 1);
      expect(flags(run({ v: put(clean.v, 4, nan) }))).to.deep.equal(column);
      const row = head.map((_, i) => i >= 3 && i < 6);
      expect(flags(run({ q: put(clean.q, 4, Number.POSITIVE_INFINITY) }))).to.deep.equal(row);
    });
  });

  it('takes numbers as tensors; no queries, samples or channels of values give nothing', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const y = scaledDotProductAttention([[2]], [[1], [1]], [[3], [5]]);
        expect(y.arraySync()).to.deep.equal([[4]]);
        const shapes = [
          scaledDotProductAttention(zeros(2, 0, 3), zeros(2, 4, 3), zeros(2, 4, 5)),
          scaledDotProductAttention(zeros(0, 2, 3), zeros(0, 4, 3), zeros(0, 4, 5)),
          scaledDotProductAttention(zeros(2, 3, 3), zeros(2, 4, 3), zeros(2, 4, 0)),
        ].map(({ shape }) => shape);
        expect(shapes).to.deep.equal([
          [2, 0, 5],
          [0, 2, 5],
          [2, 3, 0],
        ]);
        // no channels: all scores are 0
        const mean = scaledDotProductAttention(zeros(1, 0), zeros(2, 0), [[1], [2]]);
        expect(mean.arraySync()).to.deep.equal([[1.5]]);
      }),
    );
  });
});

const WRONG: [string, Record<'q' | 'k' | 'v', number[]>, AttentionOptions, string][] = [
  [
    'other channels',
    { q: [2, 3], k: [4, 2], v: [4, 2] },
    {},
    'k must be of 3 channels, as q, got 2',
  ],
  ['other tokens', { q: [2, 3], k: [4, 3], v: [5, 3] }, {}, 'v must be of 4 tokens, as k, got 5.'],
  ['no key', { q: [2, 3], k: [0, 3], v: [0, 3] }, {}, 'k must be of at least one token, got none.'],
  [
    'other samples',
    { q: [2, 2, 3], k: [3, 2, 3], v: [1, 2, 3] },
    {},
    'q, k and v must be of the same number of samples, or of 1, got 2, 3, 1.',
  ],
  ['a vector', { q: [3], k: [4, 3], v: [4, 3] }, {}, 'the layout of q must be letters of b'],
  [
    'a layout of another rank',
    { q: [2, 3], k: [4, 3], v: [4, 3] },
    { layouts: { k: 'btc' } },
    'k must be of rank 3, for its layout "btc", got shape [4,3].',
  ],
  ...['ct', 'bhc', 'bbtc', 'b01tc', 'Btc', 'bhtxc', 't'].map((q): (typeof WRONG)[number] => [
    `the layout "${q}"`,
    { q: [2, 3], k: [4, 3], v: [4, 3] },
    { layouts: { q } },
    'the layout of q must be letters of b (samples)',
  ]),
  ...['q', 'k', 'v', 'output'].flatMap((name) =>
    [7, 7n, null, Symbol('s'), ['t', 'c']].map((layout): (typeof WRONG)[number] => [
      `${typeof layout} as the layout of ${name}`,
      { q: [2, 3], k: [4, 3], v: [4, 3] },
      { layouts: { [name]: layout } as object },
      `layouts.${name} must be a string, such as "bthc", got`,
    ]),
  ),
  [
    'a digit in the output',
    { q: [2, 3], k: [4, 3], v: [4, 3] },
    { layouts: { output: 't0c' } },
    'the layout of the output must be letters',
  ],
  [
    'an index that is not there',
    { q: [2, 2, 3], k: [4, 3], v: [4, 3] },
    { layouts: { q: '2tc' } },
    'q must be longer than 2 along the axis of which its layout reads index 2, got 2.',
  ],
  [
    'an output without heads',
    { q: [2, 2, 3], k: [4, 3], v: [4, 3] },
    { layouts: { q: 'htc', output: 'btc' } },
    'the layout of the output must be one with "h", of which there are 2, got "btc".',
  ],
  [
    'a mask of another shape',
    { q: [2, 3], k: [4, 3], v: [4, 3] },
    { mask: [[1, 2, 3]] },
    'mask must be of a shape that broadcasts to [1,1,2,4] (samples, heads, queries, keys), got',
  ],
  [
    'a mask of five axes',
    { q: [2, 3], k: [4, 3], v: [4, 3] },
    { mask: [[[[[0]]]]] },
    'mask must be of rank ≤ 4, got shape [1,1,1,1,1].',
  ],
  [
    'a scale that is none',
    { q: [2, 3], k: [4, 3], v: [4, 3] },
    { scale: Number.NaN },
    'scale must',
  ],
];

describeOnBackends('ScaledDotProductAttention validation', () => {
  for (const [what, { q, k, v }, options, message] of WRONG) {
    it(`${what}: refused, with a way out`, () => {
      expectNoLeak(() =>
        tf.tidy(() => {
          const call = () =>
            scaledDotProductAttention(zeros(...q), zeros(...k), zeros(...v), options);
          expect(call).to.throw(InvalidArgumentError, message);
        }),
      );
    });
  }
});

describeOnBackends('ScaledDotProductAttention in a graph', () => {
  it('reads one tensor as queries, keys and values, with a mask and a control input', () => {
    expectNoLeak(() => {
      const [x, mask] = [normal(2 * 4 * 3 * 2 * 5, 8), normal(8, 9)];
      const model = graphModel({
        qLayout: attr.string('bt0hc'),
        kLayout: attr.string('bt1hc'),
        vLayout: attr.string('bt2hc'),
        outputLayout: attr.string('bthc'),
        scale: attr.float(0.7),
        hasMask: attr.bool(true),
      });
      tf.tidy(() => {
        const inputs = {
          x: tf.tensor(x, [2, 4, 3, 2, 5]),
          mask: tf.tensor(mask, [2, 1, 1, 4]),
        };
        const y = model.execute(inputs) as tf.Tensor;
        const layouts = { q: 'bt0hc', k: 'bt1hc', v: 'bt2hc', output: 'bthc' };
        const options = { mask: inputs.mask, layouts, scale: 0.7 };
        const direct = scaledDotProductAttention(inputs.x, inputs.x, inputs.x, options);
        expect(y.arraySync()).to.deep.equal(direct.arraySync());
      });
      model.dispose();
    });
  });

  it('a mask that is promised and missing gets a typed error', () => {
    const model = graphModel({ hasMask: attr.bool(true) }, ['x', 'x', 'x']);
    tf.tidy(() => {
      const inputs = { x: zeros(2, 4, 3, 2, 5), mask: zeros(1, 1, 1, 4) };
      expect(() => model.execute(inputs)).to.throw(HadaNormError, 'must be 4 tensors, got 3.');
    });
    model.dispose();
  });
});

function graphModel(
  attrs: Readonly<Record<string, AttrValue>>,
  input: readonly string[] = ['x', 'x', 'x', 'mask', '^mask'],
): tf.GraphModel<tf.io.IOHandlerSync> {
  const graph = new GraphBuilder();
  graph.placeholder('x', [-1, 4, 3, 2, 5]);
  graph.placeholder('mask', [-1, 1, 1, 4]);
  graph.node('ScaledDotProductAttention', 'y', input, attrs);
  return tf.loadGraphModelSync(graph.build(['y']));
}
