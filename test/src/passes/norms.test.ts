import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { boolAttr, numberAttr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import { fuseGraph } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { nodesOf } from '../../harness/graphs/fused.js';
import type { Kit } from '../../harness/graphs/kit.js';
import { norm } from '../../harness/graphs/layers.js';
import { loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { type SmallGraph, smallGraph } from '../../harness/graphs/small.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const [T, D] = [5, 12];
const TOKENS = [-1, T, D];
const ROW = [-1, 1, D];

type Part = 'gamma' | 'beta' | 'factor' | 'shift';

interface Found extends SmallGraph {
  readonly title: string;
  readonly parts?: readonly Part[];
  readonly center?: false;
  /** Nodes that stay beside the fused one, and the graph's inputs and constants. */
  readonly left?: readonly string[];
}

const off = (k: Kit, x: Ref) => k.node('Sub', [x, k.mean(x)]);
const guarded = (k: Kit, squares: Ref) => k.add(k.mean(squares), k.scalar(1e-3));

const FOUND: readonly Found[] = [
  { title: 'alone', shapes: [TOKENS], build: (k, [x]) => norm(k, x!, D, 'rsqrt') },
  {
    title: 'of a variance by squares of differences that are used again',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const y = off(k, x!);
      return k.mul(y, k.node('Rsqrt', [guarded(k, k.mul(y, y))]));
    },
  },
  {
    title: 'by the reciprocal of a root, of a mean that takes no gradient',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const mean = k.node('StopGradient', [k.mean(x!)]);
      const variance = guarded(k, k.node('SquaredDifference', [mean, x!]));
      const inverse = k.node('Reciprocal', [k.node('Sqrt', [variance])]);
      return k.mul(inverse, k.node('Sub', [x!, mean]));
    },
  },
  {
    title: 'by powers',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const squares = k.node('Pow', [off(k, x!), k.scalar(2)]);
      const root = k.node('Pow', [guarded(k, squares), k.scalar(0.5)]);
      return k.node('RealDiv', [off(k, x!), root]);
    },
  },
  {
    title: 'Keras without gamma and beta',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const mean = k.mean(x!);
      const inverse = k.node('Rsqrt', [guarded(k, k.node('SquaredDifference', [x!, mean]))]);
      return k.node('Sub', [k.mul(x!, inverse), k.mul(mean, inverse)]);
    },
  },
  {
    title: "TensorFlow's batch_normalization without gamma and beta",
    shapes: [TOKENS],
    build: (k, [x]) => {
      const mean = k.mean(x!);
      const inverse = k.node('Rsqrt', [guarded(k, k.node('SquaredDifference', [x!, mean]))]);
      return k.add(k.mul(x!, inverse), k.mul(k.node('Neg', [mean]), inverse));
    },
  },
  {
    title: 'the same with gamma',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const mean = k.mean(x!);
      const root = k.node('Rsqrt', [guarded(k, k.node('SquaredDifference', [x!, mean]))]);
      const inverse = k.mul(root, k.weight([D], 0.2, 1));
      return k.add(k.mul(k.node('Neg', [mean]), inverse), k.mul(inverse, x!));
    },
    parts: ['gamma'],
  },
  {
    title: 'with all that may follow',
    shapes: [TOKENS, ROW, ROW],
    build: (k, [x, factor, shift]) =>
      k.add(shift!, k.mul(norm(k, x!, D, 'affine'), k.add(factor!, k.scalar(1)))),
    parts: ['gamma', 'beta', 'factor', 'shift'],
    left: ['AddV2'],
  },
  {
    title: 'with gamma and a shift, vectors of more axes',
    shapes: [TOKENS, ROW],
    build: (k, [x, shift]) =>
      k.add(k.mul(norm(k, x!, D, 'rsqrt'), k.weight([1, 1, D], 0.2, 1)), shift!),
    parts: ['gamma', 'shift'],
    left: ['Reshape'],
  },
  {
    title: 'RMSNorm of each head',
    shapes: [[-1, T, 2, D]],
    build: (k, [x]) => norm(k, x!, D, 'rms'),
    parts: ['gamma'],
    center: false,
  },
  {
    title: 'one sample, modulated for several',
    shapes: [[1, T, D], ROW, ROW],
    build: (k, [x, factor, shift]) => k.add(k.mul(norm(k, x!, D, 'rsqrt'), factor!), shift!),
    parts: ['factor', 'shift'],
  },
  {
    title: 'what comes in another order is left',
    shapes: [TOKENS, ROW],
    build: (k, [x, factor]) =>
      k.mul(k.mul(norm(k, x!, D, 'rsqrt'), factor!), k.weight([D], 0.2, 1)),
    parts: ['factor'],
    left: ['Mul'],
  },
  {
    title: 'what each token has of its own is left',
    shapes: [TOKENS, TOKENS],
    build: (k, [x, gate]) => k.mul(norm(k, x!, D, 'rsqrt'), gate!),
    left: ['Mul'],
  },
  {
    title: 'a normalized tensor that is an output too',
    shapes: [TOKENS, ROW],
    build: (k, [x, factor]) => {
      const y = norm(k, x!, D, 'rsqrt');
      return [k.mul(y, factor!), y];
    },
    left: ['Mul'],
  },
  {
    title: 'a normalized tensor that is multiplied with itself',
    shapes: [TOKENS],
    build: (k, [x]) => {
      const y = norm(k, x!, D, 'rsqrt');
      return k.mul(y, y);
    },
    left: ['Mul'],
  },
];

describeOnBackends('Fused norms', (backend) => {
  for (const { title, parts = [], center = true, left = [], ...graph } of FOUND) {
    it(`are found: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const { artifacts, inputs } = smallGraph(graph);
        await tf.setBackend('cpu');
        const model = await loaded(artifacts);
        const exact = await outputsOf(model, inputs(1));
        await tf.setBackend(backend);
        const fused = fuseGraph(model);
        model.dispose();
        const values = await outputsOf(fused, inputs(1));
        const nodes = nodesOf(fused);
        fused.dispose();
        expect(relativeError(exact, values)).to.be.below(1e-5);
        const ops = nodes.map(({ op }) => op).filter((op) => !/^(Placeholder|Const)$/.test(op));
        expect(ops.sort()).to.deep.equal([...left, 'ModulatedLayerNorm'].sort());
        const { attrs } = nodes.find(({ op }) => op === 'ModulatedLayerNorm')!;
        const flags = ['Gamma', 'Beta', 'Factor', 'Shift'].filter((name) =>
          boolAttr(attrs, `has${name}`),
        );
        expect(flags.map((name) => name.toLowerCase())).to.deep.equal(parts);
        expect(boolAttr(attrs, 'center')).to.equal(center);
        expect([1e-3, 1e-6]).to.include(Number(numberAttr(attrs, 'epsilon', 0).toPrecision(6)));
      });
    });
  }
});
