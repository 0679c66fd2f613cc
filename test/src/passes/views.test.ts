import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { attr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import { fuseGraph } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { opsOf } from '../../harness/graphs/fused.js';
import type { Kit } from '../../harness/graphs/kit.js';
import { loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { smallGraph } from '../../harness/graphs/small.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const PARTS = 3;

/**
 * Where an operand comes from: axes in any order, neighbours in one, perhaps one part of several.
 */
interface Source {
  readonly order: readonly string[]; // of b, h, t, c and p
  readonly joined: readonly boolean[]; // whether an axis is one with the one before
  readonly pick: 'unpack' | 'index' | 'split' | 'slice';
  readonly part: number;
  readonly scaled: boolean;
}

const source: fc.Arbitrary<Source> = fc.record({
  order: fc
    .tuple(fc.shuffledSubarray(['b', 'h', 't', 'c'], { minLength: 4 }), fc.nat(5))
    .map(([axes, at]) => (at > 4 ? axes : [...axes.slice(0, at), 'p', ...axes.slice(at)])),
  joined: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  pick: fc.constantFrom('unpack', 'index', 'split', 'slice'),
  part: fc.nat(PARTS - 1),
  scaled: fc.boolean(),
});

const graphs = fc.record({
  q: source,
  k: source,
  v: source,
  sizes: fc.record({
    b: fc.integer({ min: 1, max: 2 }),
    h: fc.integer({ min: 1, max: 3 }),
    queries: fc.integer({ min: 1, max: 4 }),
    keys: fc.integer({ min: 1, max: 4 }),
    c: fc.integer({ min: 1, max: 5 }),
  }),
  /** How the result goes on: as it is, tokens first, or heads and channels on one axis. */
  end: fc.constantFrom('plain', 'turned', 'joined'),
  merged: fc.boolean(),
});

type Graph = typeof graphs extends fc.Arbitrary<infer T> ? T : never;
type Axes = Readonly<Record<string, number>>;

describeOnBackends('Attention on tensors in any order of axes', (backend) => {
  it('is fused, and gives the same values', async () => {
    const property = fc.asyncProperty(graphs, async (graph) => {
      await expectNoLeakAsync(async () => {
        const { artifacts, inputs } = smallGraph(smallOf(graph));
        await tf.setBackend('cpu');
        const model = await loaded(artifacts);
        const exact = await outputsOf(model, inputs(3));
        await tf.setBackend(backend);
        const fused = fuseGraph(model);
        model.dispose();
        expect(opsOf(fused)).to.include({ ScaledDotProductAttention: 1 });
        const values = await outputsOf(fused, inputs(3));
        fused.dispose();
        expect(relativeError(exact, values)).to.be.below(1e-5);
      });
    });
    await fc.assert(property, { seed: 9, numRuns: backend === 'cpu' ? 300 : 60 });
  });
});

function smallOf({ q, k: key, v, sizes, end, merged }: Graph) {
  const { b, h, queries, keys, c } = sizes;
  const axes = (t: number): Axes => ({ b, h, t, c, p: PARTS });
  const operands = [
    { from: q, own: axes(queries) },
    { from: key, own: axes(keys) },
    { from: v, own: axes(keys) },
  ];
  return {
    shapes: operands.map(({ from, own }) => shapeOf(from, own)),
    build: (k: Kit, inputs: readonly Ref[]) => {
      const [x, y, z] = operands.map(({ from, own }, i) => {
        const heads = inHeads(k, inputs[i]!, from, own);
        return merged ? k.reshape(heads, [b * h, own.t!, c]) : heads;
      });
      const mixed = k.batchMatMul(k.node('Softmax', [k.batchMatMul(x!, y!, true)]), z!);
      const whole = merged ? k.reshape(mixed, [b, h, queries, c]) : mixed;
      if (end === 'plain') return whole;
      const transposed = k.transpose(whole, [0, 2, 1, 3]);
      return end === 'turned' ? transposed : k.reshape(transposed, [b, queries, h * c]);
    },
  };
}

/** The shape of a source, neighbours multiplied where they are one axis. */
function shapeOf({ order, joined }: Source, axes: Axes): number[] {
  const shape: number[] = [];
  order.forEach((name, i) => {
    if (i > 0 && joined[i]) shape.push(shape.pop()! * axes[name]!);
    else shape.push(axes[name]!);
  });
  return shape;
}

/** A source as [b, h, t, c]. */
function inHeads(k: Kit, x: Ref, from: Source, axes: Axes): Ref {
  const { order, part, scaled } = from;
  let y = k.reshape(
    x,
    order.map((name) => axes[name]!),
  );
  const at = order.indexOf('p');
  if (at >= 0) y = picked(k, y, from, axes, at, part);
  const rest = order.filter((name) => name !== 'p');
  const transposed = k.transpose(
    y,
    ['b', 'h', 't', 'c'].map((name) => rest.indexOf(name)),
  );
  return scaled ? k.mul(k.scalar(0.5), transposed) : transposed;
}

function picked(
  k: Kit,
  x: Ref,
  { order, pick }: Source,
  axes: Axes,
  at: number,
  part: number,
): Ref {
  const dropped = order.filter((name) => name !== 'p').map((name) => axes[name]!);
  switch (pick) {
    case 'unpack': {
      const first = k.node('Unpack', [x], { num: attr.int(PARTS), axis: attr.int(at) });
      return part === 0 ? first : `${first}:${part}`;
    }
    case 'index': {
      const index = (value: number) => k.ints(order.map((_, i) => (i === at ? value : 0)));
      const open = (1 << order.length) - 1 - (1 << at);
      return k.node('StridedSlice', [x, index(part), index(part + 1), k.ints(order.map(() => 1))], {
        begin_mask: attr.int(open),
        end_mask: attr.int(open),
        shrink_axis_mask: attr.int(1 << at),
      });
    }
    case 'split':
      return k.reshape(k.split(x, at, PARTS)[part]!, dropped);
    case 'slice': {
      const begin = k.ints(order.map((_, i) => (i === at ? part : 0)));
      const size = k.ints(order.map((_, i) => (i === at ? 1 : -1)));
      return k.reshape(k.node('Slice', [x, begin, size]), dropped);
    }
    default:
      return pick satisfies never;
  }
}
