import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { type AttrValue, attr } from '../../../src/graph/attrs.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import {
  constantIntegers,
  constantPermutation,
  constantView,
  permuted,
} from '../../../src/graph/constants.js';
import type { Graph } from '../../../src/graph/ir.js';
import { COMPLEX, FILE_WEIGHTS, oddArtifacts } from '../../harness/graphs/oddArtifacts.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';

/** A step: an op, its second input (integers) if it has one, and attributes. */
type Step = [
  op: string,
  integers?: number | number[] | undefined,
  attrs?: Record<string, AttrValue>,
];

const transpose = (...order: number[]): Step => ['Transpose', order];
const reshape = (...shape: number[]): Step => ['Reshape', shape];

/** Chains on a weight of shape [2, 3, 4]. */
const CHAINS: readonly (readonly Step[])[] = [
  [],
  [['Identity'], ['StopGradient']],
  [transpose(0, 1, 2)],
  [transpose(2, 1, 0)],
  [transpose(1, 2, 0)],
  [transpose(2, 0, 1), transpose(2, 0, 1)],
  [transpose(1, 2, 0), transpose(2, 0, 1)],
  [reshape(6, 4), transpose(1, 0)],
  [reshape(-1)],
  [reshape(4, -1, 2), transpose(2, 0, 1), reshape(24)],
  [transpose(2, 0, 1), reshape(-1, 6), transpose(1, 0), reshape(2, 3, 4)],
  ...[0, 1, 3, -1, -2, -4].map((axis): Step[] => [['ExpandDims', axis], ['Identity']]),
  [['ExpandDims', -1], transpose(3, 1, 0, 2)],
  [reshape(1, 2, 1, 12, 1), ['Squeeze']],
  [reshape(1, 2, 1, 12, 1), ['Squeeze', undefined, { squeeze_dims: attr.ints([2]) }]],
  [reshape(1, 2, 1, 12, 1), ['Squeeze', undefined, { squeeze_dims: attr.ints([-1, 0]) }]],
  [
    reshape(1, 2, 1, 12, 1),
    ['Squeeze', undefined, { axis: attr.ints([0]) }],
    transpose(3, 1, 2, 0),
  ],
];

describe('Views of constants', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  const broken: readonly Step[] = [
    transpose(0, 1),
    transpose(0, 1, 1),
    transpose(0, 1, 3),
    transpose(0, 1, -1),
    transpose(0, 1, 2 ** 30),
    reshape(5, -1),
    reshape(2, 3, 5),
    reshape(-1, -1),
    reshape(-2, -12),
  ];
  for (const step of broken) {
    it(`${step[0]} ${step[1]} is no view`, () => {
      const { graph, ref } = chained([step], 'float32');
      expect(constantView(graph, ref)).to.equal(null);
    });
  }

  it('an order is one of so many axes, each once', () => {
    const { graph } = chained([transpose(2, 0, 1)], 'float32');
    const [order] = [...graph.nodes.values()].flatMap(({ op, inputs }) =>
      op === 'Transpose' ? [inputs[1]!] : [],
    );
    expect(constantPermutation(graph, order, 3)).to.deep.equal([2, 0, 1]);
    for (const rank of [2, 4]) expect(constantPermutation(graph, order, rank)).to.equal(null);
    expect(constantPermutation(graph, undefined, 3)).to.equal(null);
  });

  for (const dtype of ['float32', 'int32'] as const) {
    for (const chain of CHAINS) {
      const shown = chain.map(([op, more]) => (more === undefined ? op : `${op} ${more}`));
      it(`${dtype} ${shown.join(', ') || 'alone'}: what tfjs computes`, () => {
        const { graph, ref, artifacts } = chained(chain, dtype);
        expectNoLeak(() => {
          const view = constantView(graph, ref)!;
          const model = new tf.GraphModel(tf.io.fromMemorySync(artifacts));
          model.load();
          const y = model.execute({}, ref) as tf.Tensor;
          expect([view.weight, view.dtype, view.shape]).to.deep.equal(['w', dtype, y.shape]);
          expect(view.read()).to.deep.equal(y.dataSync());
          const integers = dtype === 'int32' ? [...y.dataSync()] : null;
          expect(constantIntegers(graph, ref)).to.deep.equal(integers);
          y.dispose();
          model.dispose();
        });
      });
    }
  }

  it('reading a view leaves the weight as it is', () => {
    const { graph, ref } = chained([transpose(2, 1, 0)], 'float32');
    const view = constantView(graph, ref)!;
    const once = view.read();
    expect(view.read()).to.deep.equal(once);
    expect(graph.weights.get('w')!.values()).to.deep.equal(normal(24, 3));
  });

  it('no order is a copy, an empty tensor and a scalar can be permuted', () => {
    const scalar = { weight: 'w', dtype: 'float32', shape: [], read: () => Float32Array.of(7) };
    expect(permuted(scalar, []).read()).to.deep.equal(Float32Array.of(7));
    const empty = { ...scalar, shape: [2, 0, 3], read: () => new Float32Array(0) };
    const transposed = permuted(empty, [2, 0, 1]);
    expect([transposed.shape, transposed.read()]).to.deep.equal([[3, 2, 0], new Float32Array(0)]);
  });

  it('what is no constant, or not known before a run, has no view', () => {
    const g = new GraphBuilder();
    g.placeholder('x', [2, 3]);
    g.placeholder('order', [2], 'int32');
    g.constant('w', [2, 3], normal(6, 1));
    g.constant('empty', [0], new Float32Array(0));
    g.constant('odd', [2], Int32Array.of(0, -1));
    g.node('Transpose', 'byInput', ['w', 'order']);
    g.node('Relu', 'computed', ['w']);
    g.node('Reshape', 'ofComputed', ['computed', 'odd']);
    g.node('Reshape', 'ofNothing', ['empty', 'odd']);
    g.node('Identity', 'ofInput', ['x']);
    const graph = graphFromArtifacts(g.build(['ofInput']));
    const names = ['x', 'byInput', 'computed', 'ofComputed', 'ofNothing', 'ofInput', 'w:1', 'gone'];
    expect(names.map((name) => constantView(graph, name))).to.deep.equal(names.map(() => null));
    expect(constantIntegers(graph, undefined)).to.equal(null);
    expect(constantIntegers(graph, 'x')).to.equal(null);
  });

  it('strings and complex numbers have no view', () => {
    const graph = graphFromArtifacts(oddArtifacts([...FILE_WEIGHTS, COMPLEX]));
    const none = ['words', 'raw', 'complex'];
    expect(none.map((name) => constantView(graph, name))).to.deep.equal([null, null, null]);
    expect(constantView(graph, 'codes8')!.shape).to.deep.equal([256]);
  });
});

function chained(
  chain: readonly Step[],
  dtype: 'float32' | 'int32',
): { graph: Graph; ref: string; artifacts: tf.io.ModelArtifacts } {
  const g = new GraphBuilder();
  const ints = Int32Array.from({ length: 24 }, (_, i) => (i * 7) % 24);
  let ref = g.constant('w', [2, 3, 4], dtype === 'int32' ? ints : normal(24, 3));
  chain.forEach(([op, integers, attrs], i) => {
    const list = typeof integers === 'number' ? [integers] : integers;
    const shape = typeof integers === 'number' ? [] : [list?.length ?? 0];
    const more = list === undefined ? [] : [g.constant(`i${i}`, shape, Int32Array.from(list))];
    ref = g.node(op, `n${i}`, [ref, ...more], attrs);
  });
  const artifacts = g.build([ref]);
  return { graph: graphFromArtifacts(artifacts), ref, artifacts };
}
