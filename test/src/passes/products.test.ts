import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type Attrs, attr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import { fuseGraph } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { opsOf } from '../../harness/graphs/fused.js';
import type { Kit } from '../../harness/graphs/kit.js';
import { loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { type SmallGraph, smallGraph } from '../../harness/graphs/small.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const SIZES: Readonly<Record<string, number>> = { a: -1, b: 3, c: 4, d: 5, e: 6, f: 2 };

const shapeOf = (labels: string) => [...labels].map((label) => SIZES[label]!);

/** Two tensors that come with the run. */
const EINSUMS = [
  'abc,adc->abd',
  'abc,acd->abd',
  'aecd,abcd->acbe',
  'acbe,aecd->abcd',
  'abcd,aecd->acbe',
  'ab,cb->ac',
  'ab,ab->a',
  'abc,abc->a',
  'abc,abc->ab',
  'bc,bc->cb',
  'bc,de->bcde',
  'bc,de->ebdc',
  'bcd,ecfd->bef',
  'ab,b->a',
  'b,b->b',
  'bc,ab->ac',
];

/** Summed within one operand. */
const LEFT_EINSUMS = ['bc,d->b'];

/** _FusedMatMul with a bias, and whatever else. */
const fused = (
  k: Kit,
  inputs: readonly Ref[],
  [a, b]: readonly [boolean, boolean],
  ops: readonly string[] = ['BiasAdd'],
  more: Attrs = {},
) =>
  k.node('_FusedMatMul', inputs, {
    transpose_a: attr.bool(a),
    transpose_b: attr.bool(b),
    fused_ops: attr.strings(ops),
    num_args: attr.int(inputs.length - 2),
    epsilon: attr.float(0),
    ...more,
  });

interface Biased extends SmallGraph {
  readonly title: string;
  readonly ops: Readonly<Record<string, number>>;
}

const BIASED: readonly Biased[] = [
  {
    title: 'weights transposed: turned offline',
    shapes: [[-1, 96]],
    build: (k, [x]) => fused(k, [x!, k.weight([7, 96]), k.weight([7], 1)], [false, true]),
    ops: { _FusedMatMul: 1 },
  },
  {
    title: 'the second of two computed operands transposed',
    shapes: [
      [5, 96],
      [7, 96],
    ],
    build: (k, [x, y]) => fused(k, [x!, y!, k.weight([7], 1)], [false, true]),
    ops: { MatMul: 1, AddV2: 1 },
  },
  {
    title: 'the first transposed, with a ReLU',
    shapes: [[96, 5]],
    build: (k, [x]) =>
      fused(k, [x!, k.weight([96, 7]), k.weight([7], 1)], [true, false], ['BiasAdd', 'Relu']),
    ops: { MatMul: 1, AddV2: 1, Relu: 1 },
  },
  {
    title: 'both transposed, with a leaky ReLU of slope 0.3',
    shapes: [
      [96, 5],
      [7, 96],
    ],
    build: (k, [x, y]) =>
      fused(k, [x!, y!, k.weight([7], 1)], [true, true], ['BiasAdd', 'LeakyRelu'], {
        leakyrelu_alpha: attr.float(0.3),
      }),
    ops: { MatMul: 1, AddV2: 1, LeakyRelu: 1 },
  },
  {
    title: 'batches of both, with slopes',
    shapes: [
      [2, 5, 96],
      [2, 96, 7],
    ],
    build: (k, [x, y]) =>
      fused(k, [x!, y!, k.weight([7], 1), k.weight([7], 1)], [false, false], ['BiasAdd', 'Prelu']),
    ops: { MatMul: 1, AddV2: 1, Prelu: 1 },
  },
  {
    title: 'a plain one stays',
    shapes: [[-1, 96]],
    build: (k, [x]) => fused(k, [x!, k.weight([96, 7]), k.weight([7], 1)], [false, false]),
    ops: { _FusedMatMul: 1 },
  },
];

describeOnBackends('Products as every backend has them', (backend) => {
  for (const equation of EINSUMS) {
    it(`Einsum ${equation} becomes a product`, async () => {
      const counts = await checked(einsum(equation), backend);
      expect(counts).to.include({ BatchMatMulV2: 1 });
      expect(counts).to.not.include.keys('Einsum');
    });
  }

  for (const { title, ops, ...graph } of BIASED) {
    it(`_FusedMatMul with a bias, ${title}`, async () => {
      const { Placeholder: _inputs, Const: _weights, ...counts } = await checked(graph, backend);
      expect(counts).to.deep.equal(ops);
    });
  }

  for (const [equation, shape] of [
    ['abc,cd->abd', [4, 5]],
    ['abc,dc->abd', [5, 4]],
    ['abc,cde->abde', [4, 5, 6]],
    ['abcd,cde->abe', [4, 5, 6]],
    ['abcd,dce->abe', [5, 4, 6]],
    ['ac,cd->ad', [4, 5]],
  ] as const) {
    it(`Einsum ${equation} with constant weights becomes a product of two matrices`, async () => {
      const x = shapeOf(equation.split(',')[0]!);
      const build: SmallGraph['build'] = (k, [input]) =>
        k.einsum(equation, input!, k.weight(shape));
      const counts = await checked({ shapes: [x], build }, backend);
      expect(counts).to.include({ MatMul: 1 });
      expect(counts).to.not.include.keys('Einsum', 'BatchMatMulV2', 'Transpose');
    });
  }

  for (const shape of [
    [6, 7],
    [1, 6, 7],
  ]) {
    it(`a batched product with weights [${shape}] becomes one of two matrices`, async () => {
      const build: SmallGraph['build'] = (k, [x]) => k.batchMatMul(x!, k.weight(shape));
      const counts = await checked({ shapes: [[-1, 5, 6]], build }, backend);
      expect(counts).to.include({ MatMul: 1 });
      expect(counts).to.not.include.keys('BatchMatMulV2');
    });
  }
});

describe('Products that stay', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const equation of LEFT_EINSUMS) {
    it(`Einsum ${equation}`, async () => {
      expect(await checked(einsum(equation), 'cpu')).to.include({ Einsum: 1 });
    });
  }

  it('an Einsum of two lengths that only the run knows', async () => {
    const build: SmallGraph['build'] = (k, [x, y]) => k.einsum('abc,adc->abd', x!, y!);
    const open = [-1, -1, 4];
    expect(await checked({ shapes: [open, open], build }, 'cpu')).to.include({ Einsum: 1 });
  });
});

function einsum(equation: string): SmallGraph {
  const terms = equation.split('->')[0]!.split(',');
  return {
    shapes: terms.map(shapeOf),
    build: (k, [x, y]) => k.einsum(equation, x!, y!),
  };
}

/**
 * Checks that the fused model gives what the original gives on the cpu backend; returns its ops.
 */
async function checked(graph: SmallGraph, backend: string) {
  return expectNoLeakAsync(async () => {
    const { artifacts, inputs } = smallGraph(graph);
    await tf.setBackend('cpu');
    const model = await loaded(artifacts);
    const exact = await outputsOf(model, inputs(1));
    await tf.setBackend(backend);
    const same = fuseGraph(model);
    const counts = opsOf(same);
    model.dispose();
    const values = await outputsOf(same, inputs(1));
    same.dispose();
    expect(relativeError(exact, values)).to.be.below(1e-5);
    return counts;
  });
}
