import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { attr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import { fuseGraph } from '../../../src/index.js';
import '../../harness/backends/backends.js';
import { opsOf } from '../../harness/graphs/fused.js';
import type { Kit } from '../../harness/graphs/kit.js';
import { loaded, outputsOf } from '../../harness/graphs/run.js';
import { type SmallGraph, smallGraph } from '../../harness/graphs/small.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const TOKENS = [-1, 5, 12];

const off = (k: Kit, x: Ref) => k.node('Sub', [x, k.mean(x)]);
const guarded = (k: Kit, squares: Ref) => k.add(k.mean(squares), k.scalar(1e-3));

/** What looks like a norm, and would come out otherwise. */
const LEFT: readonly (SmallGraph & { title: string })[] = [
  {
    title: 'a mean over tokens',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const mean = (y: Ref) => k.node('Mean', [y, k.ints([1])], { keep_dims: attr.bool(true) });
      const squares = k.node('SquaredDifference', [x!, mean(x!)]);
      const variance = k.add(mean(squares), k.scalar(1e-3));
      return k.mul(k.node('Sub', [x!, mean(x!)]), k.node('Rsqrt', [variance]));
    },
  },
  {
    title: 'x with its mean, over the deviation without',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const variance = guarded(k, k.node('SquaredDifference', [x!, k.mean(x!)]));
      return k.mul(x!, k.node('Rsqrt', [variance]));
    },
  },
  {
    title: 'one tensor, over the deviation of another',
    shapes: [TOKENS, TOKENS],
    build: (k, [x, y]) => {
      const variance = guarded(k, k.node('SquaredDifference', [x!, k.mean(x!)]));
      return k.mul(off(k, y!), k.node('Rsqrt', [variance]));
    },
  },
  {
    title: 'the mean of another tensor taken off',
    shapes: [TOKENS, TOKENS],
    build: (k, [x, y]) => {
      const variance = guarded(k, k.node('SquaredDifference', [x!, k.mean(x!)]));
      return k.mul(k.node('Sub', [x!, k.mean(y!)]), k.node('Rsqrt', [variance]));
    },
  },
  {
    title: 'an ε that comes with the run',
    shapes: [TOKENS, [1]],
    build: (k, [x, epsilon]) => {
      const variance = k.mean(k.node('SquaredDifference', [x!, k.mean(x!)]));
      const positive = k.add(variance, k.node('Square', [epsilon!]));
      return k.mul(off(k, x!), k.node('Rsqrt', [positive]));
    },
  },
  {
    title: 'no ε',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const variance = k.mean(k.node('SquaredDifference', [x!, k.mean(x!)]));
      return k.mul(off(k, x!), k.node('Rsqrt', [variance]));
    },
  },
  {
    title: 'another power',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const variance = guarded(k, k.node('SquaredDifference', [x!, k.mean(x!)]));
      return k.mul(off(k, x!), k.node('Pow', [variance, k.scalar(-1)]));
    },
  },
  {
    title: 'the negated mean of another tensor added',
    shapes: [TOKENS, TOKENS],
    build: (k, [x, y]) => {
      const variance = guarded(k, k.node('SquaredDifference', [x!, k.mean(x!)]));
      const inverse = k.node('Rsqrt', [variance]);
      return k.add(k.mul(x!, inverse), k.mul(k.node('Neg', [k.mean(y!)]), inverse));
    },
  },
  {
    title: 'the sum where Keras has a difference',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const mean = k.mean(x!);
      const inverse = k.node('Rsqrt', [guarded(k, k.node('SquaredDifference', [x!, mean]))]);
      return k.add(k.mul(x!, inverse), k.mul(mean, inverse));
    },
  },
];

describe('What is no norm to fuse', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const { title, ...graph } of LEFT) {
    it(`stays, with its values: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const { artifacts, inputs } = smallGraph(graph);
        const model = await loaded(artifacts);
        const fused = fuseGraph(model);
        expect(opsOf(fused)).to.deep.equal(opsOf(model));
        const exact = await outputsOf(model, inputs(1));
        expect(await outputsOf(fused, inputs(1))).to.deep.equal(exact);
        model.dispose();
        fused.dispose();
      });
    });
  }
});
