import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { attr } from '../../../src/graph/attrs.js';
import { fuseGraph } from '../../../src/index.js';
import '../../harness/backends/backends.js';
import { opsOf } from '../../harness/graphs/fused.js';
import { loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { type SmallGraph, smallGraph } from '../../harness/graphs/small.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const [H, T, S, C] = [3, 5, 4, 6];
const HEADS = [-1, H, T, C];
const KEYS = [-1, H, S, C];

/** What looks like attention, and would come out otherwise, or is needed by others. */
const LEFT: readonly (SmallGraph & { title: string })[] = [
  {
    title: 'weights that are an output',
    shapes: [HEADS, KEYS, KEYS],
    build: (k, [q, key, v]) => {
      const weights = k.node('Softmax', [k.batchMatMul(q!, key!, true)]);
      return [k.batchMatMul(weights, v!), weights];
    },
  },
  {
    title: 'scores that something else reads',
    shapes: [HEADS, KEYS, KEYS],
    build: (k, [q, key, v]) => {
      const scores = k.batchMatMul(q!, key!, true);
      return [k.batchMatMul(k.node('Softmax', [scores]), v!), k.node('Neg', [scores])];
    },
  },
  {
    title: 'scores whose shape something else asks for',
    shapes: [HEADS, KEYS, KEYS],
    build: (k, [q, key, v]) => {
      const scores = k.batchMatMul(q!, key!, true);
      const size = k.node('Cast', [k.node('Shape', [scores])], { DstT: attr.type('float32') });
      return [k.batchMatMul(k.node('Softmax', [scores]), v!), k.node('Neg', [size])];
    },
  },
  {
    title: 'a mask in front of the factor',
    shapes: [HEADS, KEYS, KEYS],
    build: (k, [q, key, v]) => {
      const masked = k.add(k.batchMatMul(q!, key!, true), k.weight([T, S], 1));
      return k.batchMatMul(k.node('Softmax', [k.mul(masked, k.scalar(0.5))]), v!);
    },
  },
  {
    title: 'two masks',
    shapes: [HEADS, KEYS, KEYS],
    build: (k, [q, key, v]) => {
      const once = k.add(k.batchMatMul(q!, key!, true), k.weight([T, S], 1));
      return k.batchMatMul(k.node('Softmax', [k.add(once, k.weight([T, S], 1))]), v!);
    },
  },
  {
    title: 'a mask for each sample and head on one axis',
    shapes: [
      [-1, T, C],
      [-1, S, C],
      [-1, S, C],
      [-1, T, S],
    ],
    build: (k, [q, key, v, mask]) => {
      const scores = k.add(k.batchMatMul(q!, key!, true), mask!);
      return k.batchMatMul(k.node('Softmax', [scores]), v!);
    },
  },
  {
    title: 'a mask that makes queries of one',
    shapes: [[-1, H, 1, C], KEYS, KEYS],
    build: (k, [q, key, v]) => {
      const scores = k.add(k.batchMatMul(q!, key!, true), k.weight([T, S], 1));
      return k.batchMatMul(k.node('Softmax', [scores]), v!);
    },
  },
  {
    title: 'capped scores',
    shapes: [HEADS, KEYS, KEYS],
    build: (k, [q, key, v]) => {
      const capped = k.node('Tanh', [k.batchMatMul(q!, key!, true)]);
      return k.batchMatMul(k.node('Softmax', [capped]), v!);
    },
  },
  {
    title: 'a factor that comes with the run',
    shapes: [HEADS, KEYS, KEYS, [1, 1, 1, 1]],
    build: (k, [q, key, v, factor]) => {
      const scores = k.mul(k.batchMatMul(q!, key!, true), factor!);
      return k.batchMatMul(k.node('Softmax', [scores]), v!);
    },
  },
  {
    title: 'weights that are turned around',
    shapes: [HEADS, [-1, H, T, C], [-1, H, T, C]],
    build: (k, [q, key, v]) => {
      const weights = k.node('Softmax', [k.batchMatMul(q!, key!, true)]);
      return k.node('BatchMatMulV2', [weights, v!], {
        adj_x: attr.bool(true),
        adj_y: attr.bool(false),
      });
    },
  },
  {
    title: 'weights that are reshaped into others',
    shapes: [
      [-1, H, 4, C],
      [-1, H, 4, C],
      [-1, H, 8, C],
    ],
    build: (k, [q, key, v]) => {
      const weights = k.node('Softmax', [k.batchMatMul(q!, key!, true)]);
      return k.batchMatMul(k.reshape(weights, [-1, H, 2, 8]), v!);
    },
  },
  {
    title: 'a softmax of rows that go across queries',
    shapes: [
      [-1, H, 4, C],
      [-1, H, 4, C],
      [-1, H, 4, C],
    ],
    build: (k, [q, key, v]) => {
      const scores = k.reshape(k.batchMatMul(q!, key!, true), [-1, H, 2, 8]);
      return k.batchMatMul(k.reshape(k.node('Softmax', [scores]), [-1, H, 4, 4]), v!);
    },
  },
];

describe('What is no attention to fuse', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const { title, ...graph } of LEFT) {
    it(`stays, with its values: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const { artifacts, inputs } = smallGraph(graph);
        const model = await loaded(artifacts);
        const fused = fuseGraph(model);
        expect(opsOf(fused)).to.include({ Softmax: 1 });
        expect(opsOf(fused)).to.not.include.keys('ScaledDotProductAttention');
        const exact = await outputsOf(model, inputs(1));
        expect(relativeError(exact, await outputsOf(fused, inputs(1)))).to.be.below(1e-6);
        model.dispose();
        fused.dispose();
      });
    });
  }
});
