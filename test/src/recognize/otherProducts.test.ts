import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { attr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import { calibrate, describeGraph, InvalidArgumentError } from '../../../src/index.js';
import type { Kit } from '../../harness/graphs/kit.js';
import { loaded } from '../../harness/graphs/run.js';
import { smallGraph } from '../../harness/graphs/small.js';
import { rejection } from '../../harness/run/rejection.js';

interface Case {
  readonly reason: string;
  readonly shape: readonly number[];
  readonly build: (k: Kit, x: Ref) => Ref;
}

const CASES: readonly Case[] = [
  {
    reason: 'the constant comes first: W x instead of x W',
    shape: [4, 3],
    build: (k, x) => k.matMul(k.weight([2, 4]), x),
  },
  {
    reason: 'x is transposed: its channels are not its last axis',
    shape: [4, 3],
    build: (k, x) =>
      k.node('MatMul', [x, k.weight([4, 2])], {
        transpose_a: attr.bool(true),
        transpose_b: attr.bool(false),
      }),
  },
  {
    reason: 'the constant [5,4,2] holds several matrices, one for each of a batch',
    shape: [5, 3, 4],
    build: (k, x) => k.batchMatMul(x, k.weight([5, 4, 2])),
  },
  {
    reason: 'the constant holds a matrix for each h, which the result keeps',
    shape: [2, 5, 3, 4],
    build: (k, x) => k.einsum('bhnd,hde->bhne', x, k.weight([5, 4, 2])),
  },
  {
    reason: 'nothing is summed over: an outer product',
    shape: [2, 3],
    build: (k, x) => k.einsum('bn,d->bnd', x, k.weight([4])),
  },
  {
    reason: 'no axis of the constant is left',
    shape: [2, 3],
    build: (k, x) => k.einsum('bn,n->b', x, k.weight([3])),
  },
  {
    reason: 'what it adds or applies is no constant bias and no known activation',
    shape: [4, 4],
    build: (k, x) => {
      const bias = k.node('Sum', [x, k.ints([0])], { keep_dims: attr.bool(false) });
      return k.node('_FusedMatMul', [x, k.weight([4, 4]), bias], {
        transpose_a: attr.bool(false),
        transpose_b: attr.bool(false),
        fused_ops: attr.strings(['BiasAdd']),
      });
    },
  },
];

const modelOf = ({ shape, build }: Omit<Case, 'reason'>) =>
  loaded(smallGraph({ shapes: [shape], build: (k, [x]) => build(k, x!) }).artifacts);

describe('Products that are no linears', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const { reason, ...graph } of CASES) {
    it(`are listed with the reason: ${reason}`, async () => {
      const model = await modelOf(graph);
      const described = describeGraph(model);
      expect(described.linears).to.have.length(0);
      expect(described.others.map((other) => other.reason)).to.deep.equal([reason]);
      expect(`${described}`).to.include(reason);
      model.dispose();
    });
  }

  it('are named by calibrate, where there is nothing else', async () => {
    const model = await modelOf(CASES[0]!);
    const error = await rejection(calibrate(model, []));
    expect(error).to.be.instanceOf(InvalidArgumentError);
    expect(error.message).to.include('got one without: no product with a constant matrix');
    expect(error.message).to.include('one product is no linear');
    expect(error.message).to.include(CASES[0]!.reason);
    model.dispose();
  });

  it('so are linears that have no role', async () => {
    const model = await modelOf({ shape: [3, 4], build: (k, x) => k.matMul(x, k.weight([4, 2])) });
    const error = await rejection(calibrate(model, []));
    expect(error.message).to.include('1 of which none has a role (the graph has no attention)');
    model.dispose();
  });

  it('and those that a While or an If runs, as parts of functions', async () => {
    const { artifacts } = smallGraph({
      shapes: [[3, 4]],
      build: (k, [x]) => k.node('StatelessWhile', [x!], { body: { func: { name: 'step' } } }),
    });
    const topology = artifacts.modelTopology as { library: object };
    const nodeDef = [{ name: 'y', op: 'MatMul', input: ['x', 'x'] }];
    const signature = { name: 'step', inputArg: [{ name: 'x' }], outputArg: [{ name: 'y' }] };
    topology.library = { function: [{ signature, nodeDef, ret: { y: 'y:product:0' } }] };
    const model = await loaded(artifacts);
    const [other] = describeGraph(model).others;
    expect(other).to.include({ name: 'step/y', form: 'MatMul' });
    expect(other!.reason).to.include('body of the StatelessWhile');
    model.dispose();
  });
});
