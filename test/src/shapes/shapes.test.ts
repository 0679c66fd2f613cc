import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { type AttrValue, attr } from '../../../src/graph/attrs.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import { shapeInference } from '../../../src/shapes/shapes.js';
import '../../../src/index.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';

type Attrs = Record<string, AttrValue>;

/** Builds nodes on x [2, 6, 8] and z [2, 6, 8]; returns the refs whose shapes are compared. */
type Build = (g: Builder) => string[];

/** Short names for what the graphs below are made of. */
class Builder {
  readonly graph = new GraphBuilder();
  private made = 0;

  constructor(batch: number) {
    this.graph.placeholder('x', [batch, 6, 8]);
    this.graph.placeholder('z', [batch, 6, 8]);
    this.graph.placeholder('image', [batch, 9, 11, 3]);
    this.graph.placeholder('ids', [batch, 4], 'int32');
    this.graph.placeholder('rows', [6, 8]);
    this.graph.placeholder('yes', [batch, 6], 'bool');
  }

  op(op: string, inputs: readonly string[], attrs: Attrs = {}): string {
    return this.graph.node(op, `n${this.made++}`, inputs, attrs);
  }

  ints(values: number | readonly number[]): string {
    const list = typeof values === 'number' ? [values] : [...values];
    const shape = typeof values === 'number' ? [] : [list.length];
    return this.graph.constant(`n${this.made++}`, shape, Int32Array.from(list));
  }

  floats(shape: readonly number[]): string {
    const size = shape.reduce((product, dim) => product * dim, 1);
    return this.graph.constant(`n${this.made++}`, shape, normal(size, size));
  }
}

const on = (op: string, ...args: [second?: number | readonly number[], attrs?: Attrs]) =>
  [
    op,
    (g: Builder) => [g.op(op, args[0] === undefined ? ['x'] : ['x', g.ints(args[0])], args[1])],
  ] as [string, Build];

const outputs = (ref: string, count: number) =>
  Array.from({ length: count }, (_, i) => (i === 0 ? ref : `${ref}:${i}`));

const strided = (
  begin: readonly number[],
  end: readonly number[],
  strides: readonly number[],
  masks: Partial<Record<'begin' | 'end' | 'ellipsis' | 'new_axis' | 'shrink_axis', number>> = {},
): [string, Build] => {
  const attrs = Object.fromEntries(
    ['begin', 'end', 'ellipsis', 'new_axis', 'shrink_axis'].map((name) => [
      `${name}_mask`,
      attr.int(masks[name as keyof typeof masks] ?? 0),
    ]),
  );
  const shown = Object.entries(masks).map(([name, mask]) => `, ${name} ${mask}`);
  return [
    `StridedSlice [${begin}] to [${end}] by [${strides}]${shown.join('')}`,
    (g) => [g.op('StridedSlice', ['x', g.ints(begin), g.ints(end), g.ints(strides)], attrs)],
  ];
};

const conv = (padding: string, attrs: Attrs = {}, filter = [3, 2, 3, 5]): [string, Build] => [
  `Conv2D ${padding} ${JSON.stringify(attrs)}`,
  (g) => [
    g.op('Conv2D', ['image', g.floats(filter)], {
      strides: attr.ints([1, 1, 1, 1]),
      dilations: attr.ints([1, 1, 1, 1]),
      padding: attr.string(padding),
      data_format: attr.string('NHWC'),
      ...attrs,
    }),
  ],
];

/** Every dimension known where the batch is, −1 at most where it is not. */
const GRAPHS: readonly [string, Build][] = [
  [
    'inputs, constants and identities',
    (g) => ['x', g.floats([2, 3]), g.op('Identity', ['x']), g.op('StopGradient', [g.floats([])])],
  ],
  [
    'one value per value',
    (g) => ['Relu', 'Tanh', 'Erf', 'Softmax', 'Square', 'Rsqrt'].map((op) => g.op(op, ['x'])),
  ],
  ['Cast', (g) => [g.op('Cast', ['x'], { DstT: attr.type('int32') })]],
  [
    'two of one shape',
    (g) => ['AddV2', 'Mul', 'SquaredDifference', 'Maximum'].map((op) => g.op(op, ['x', 'z'])),
  ],
  [
    'broadcasting, either way round',
    (g) =>
      [[8], [1, 8], [6, 1], [1, 1, 1], [1, 6, 8], [3, 1, 6, 8], []].flatMap((shape) => {
        const other = g.floats(shape);
        return [g.op('AddV2', ['x', other]), g.op('Sub', [other, 'x'])];
      }),
  ],
  ['BiasAdd', (g) => [g.op('BiasAdd', ['x', g.floats([8])])]],
  ['comparisons', (g) => [g.op('Greater', ['x', 'z']), g.op('LogicalAnd', ['yes', 'yes'])]],
  ...[[1], [-1], [0, 2], [1, 2], 2, -2, []].flatMap((axes): [string, Build][] => [
    [
      `Mean and Max over ${JSON.stringify(axes)}`,
      (g) => ['Mean', 'Max'].map((op) => g.op(op, ['x', g.ints(axes)])),
    ],
    [
      `Sum over ${JSON.stringify(axes)}, kept`,
      (g) => [g.op('Sum', ['x', g.ints(axes)], { keep_dims: attr.bool(true) })],
    ],
  ]),
  ['All', (g) => [g.op('All', ['yes', g.ints([1])])]],
  ...[[-1, 8], [-1, 6, 2, 4], [-1], [-1, 48]].map((shape) => on('Reshape', shape)),
  [
    'Reshape of rows',
    (g) => [g.op('Reshape', ['rows', g.ints([3, -1])]), g.op('Reshape', ['rows', g.ints([48])])],
  ],
  [
    'Reshape to packed dimensions',
    (g) => {
      const shape = g.op('Shape', ['x'], { out_type: attr.type('int32') });
      const masks = { shrink_axis_mask: attr.int(1) };
      const batch = g.op('StridedSlice', [shape, g.ints([0]), g.ints([1]), g.ints([1])], masks);
      const packed = g.op('Pack', [batch, g.ints(48)], { axis: attr.int(0), N: attr.int(2) });
      return [shape, batch, packed, g.op('Reshape', ['x', packed])];
    },
  ],
  ...[
    [0, 1, 2],
    [2, 0, 1],
    [1, 0, 2],
    [0, 2, 1],
  ].map((order) => on('Transpose', order)),
  [
    'MatMul, each operand transposed or not',
    (g) =>
      [false, true].flatMap((a) =>
        [false, true].map((b) =>
          g.op(
            'MatMul',
            [a ? g.floats([8, 7]) : g.floats([7, 8]), b ? g.floats([5, 8]) : g.floats([8, 5])],
            {
              transpose_a: attr.bool(a),
              transpose_b: { b },
            },
          ),
        ),
      ),
  ],
  [
    '_FusedMatMul',
    (g) => [
      g.op('_FusedMatMul', ['rows', g.floats([8, 5]), g.floats([5])], {
        fused_ops: attr.strings(['BiasAdd']),
        num_args: attr.int(1),
      }),
    ],
  ],
  [
    'BatchMatMulV2, adjoint and broadcast',
    (g) => [
      g.op('BatchMatMulV2', ['x', 'z'], { adj_x: attr.bool(false), adj_y: attr.bool(true) }),
      g.op('BatchMatMulV2', ['x', 'z'], { adj_x: attr.bool(true), adj_y: attr.bool(false) }),
      g.op('BatchMatMulV2', ['x', g.floats([1, 8, 5])]),
      g.op('BatchMatMul', [g.floats([3, 1, 4, 6]), 'x']),
    ],
  ],
  ...['abc,cd->abd', 'abc,cd->bad'].map((equation): [string, Build] => [
    `Einsum ${equation}`,
    (g) => [g.op('Einsum', ['x', g.floats([8, 3])], { equation: attr.string(equation) })],
  ]),
  ...[0, 1, 3, -1, -2].map((axis) => on('ExpandDims', axis)),
  [
    'Squeeze of some axes, counted from either end, and of all',
    (g) => {
      const long = g.op('Reshape', ['rows', g.ints([1, 6, 1, 8, 1])]);
      return [
        g.op('Squeeze', [long], { squeeze_dims: attr.ints([0]) }),
        g.op('Squeeze', [long], { squeeze_dims: attr.ints([-1, 2]) }),
        g.op('Squeeze', [long], { axis: attr.ints([2]) }),
        g.op('Squeeze', [long]),
      ];
    },
  ],
  ...[1, 2, -1, -2].map((axis): [string, Build] => [
    `ConcatV2 along ${axis}`,
    (g) => [g.op('ConcatV2', ['x', 'z', 'x', g.ints(axis)], { N: attr.int(3) })],
  ]),
  ...[1, 2, -1].map((axis): [string, Build] => [
    `Split along ${axis}`,
    (g) => outputs(g.op('Split', [g.ints(axis), 'x'], { num_split: attr.int(2) }), 2),
  ]),
  ...[[1, 2, 5], [1, -1, 5], [8]].map((sizes): [string, Build] => [
    `SplitV into ${sizes}`,
    (g) =>
      outputs(
        g.op('SplitV', ['x', g.ints(sizes), g.ints(2)], { num_split: attr.int(sizes.length) }),
        sizes.length,
      ),
  ]),
  ...[1, 2, -1, -2].map((axis): [string, Build] => [
    `Unpack along ${axis}`,
    (g) => outputs(g.op('Unpack', ['x'], { axis: attr.int(axis) }), 3),
  ]),
  ...[0, 1, 3, -1].map((axis): [string, Build] => [
    `Pack along ${axis}`,
    (g) => [g.op('Pack', ['x', 'z', 'x'], { axis: attr.int(axis) })],
  ]),
  ['Gather', (g) => [g.op('Gather', [g.floats([10, 5]), 'ids'])]],
  ...[0, 1, 2, -1, -3].map((axis): [string, Build] => [
    `GatherV2 along ${axis}`,
    (g) => [
      g.op('GatherV2', ['rows', g.ints([0, 1, 1, 5]), g.ints(axis % 2)]),
      g.op('GatherV2', ['x', g.ints([0, 1]), g.ints(axis)]),
    ],
  ]),
  [
    'GatherV2 within a batch',
    (g) => [g.op('GatherV2', ['x', 'ids', g.ints(1)], { batch_dims: attr.int(1) })],
  ],
  [
    'Slice',
    (g) => [
      g.op('Slice', ['x', g.ints([0, 0, 0]), g.ints([-1, 3, 8])]),
      g.op('Slice', ['x', g.ints([0, 2, 1]), g.ints([-1, -1, -1])]),
      g.op('Slice', ['x', g.ints([1, 2, 1]), g.ints([1, 1, 7])]),
    ],
  ],
  strided([0, 1, 2], [2, 4, 8], [1, 1, 1], { begin: 1, end: 1 }),
  strided([0, -3, 0], [2, 100, -2], [1, 1, 1], { begin: 1, end: 1 }),
  strided([0, 0, 1], [0, 0, 0], [1, 1, 3], { begin: 3, end: 7 }),
  strided([0, 5, 7], [0, 1, 0], [1, -2, -1], { begin: 5, end: 5 }),
  strided([0, 0, 0], [0, 0, 0], [1, -1, -3], { begin: 7, end: 7 }),
  strided([0, 2], [0, 3], [1, 1], { begin: 1, end: 1, shrink_axis: 2 }),
  strided([0, 0, -1], [0, 0, 0], [1, 1, 1], { begin: 3, end: 3, shrink_axis: 4 }),
  strided([0, 2], [0, 5], [1, 1], { ellipsis: 1 }),
  strided([0, 0, 1], [0, 0, 4], [1, 1, 2], { begin: 1, end: 1, ellipsis: 2 }),
  strided([0, 0, 1], [0, 0, 4], [1, 1, 1], { begin: 1, end: 1, new_axis: 2 }),
  strided([0, 0, 0, 3], [0, 0, 0, 4], [1, 1, 1, 1], {
    begin: 1,
    end: 1,
    ellipsis: 2,
    new_axis: 4,
    shrink_axis: 8,
  }),
  [
    'ScaledDotProductAttention and ModulatedLayerNorm',
    (g) => {
      const parts = g.op('Reshape', ['x', g.ints([-1, 6, 2, 1, 4])]);
      const text = g.floats([5, 7, 4]);
      const layouts = (q: string, k: string, v: string, output: string): Attrs => ({
        ...{
          qLayout: attr.string(q),
          kLayout: attr.string(k),
          vLayout: attr.string(v),
          outputLayout: attr.string(output),
        },
      });
      return [
        g.op('ScaledDotProductAttention', ['x', 'z', 'z'], layouts('btc', 'btc', 'btc', 'bthc')),
        g.op('ScaledDotProductAttention', [parts, parts, parts], {
          ...layouts('bt0hc', 'bt1hc', 'bt1hc', 'thbc'),
        }),
        g.op('ScaledDotProductAttention', [parts, text, g.floats([7, 3])], {
          ...layouts('bt0hc', 'htc', 'tc', 'bhtc'),
        }),
        g.op('ScaledDotProductAttention', [g.floats([3, 4]), text, text, g.floats([5, 2, 1, 1])], {
          ...layouts('tc', 'btc', 'btc', 'htbc'),
          hasMask: attr.bool(true),
        }),
        g.op('ModulatedLayerNorm', ['x', g.floats([8])], { hasGamma: attr.bool(true) }),
      ];
    },
  ],
  [
    'ScaledDotProductAttention in layouts by rank',
    (g) => [
      g.op('ScaledDotProductAttention', ['x', 'z', 'z']),
      g.op('ScaledDotProductAttention', ['x', 'z', g.floats([2, 6, 3])]),
    ],
  ],
  [
    'ModulatedLayerNorm under rows, and under samples that x lacks',
    (g) => {
      const both = { hasFactor: attr.bool(true), hasShift: attr.bool(true) };
      return [
        g.op('ModulatedLayerNorm', ['x', g.floats([2, 1, 8]), g.floats([1, 1, 8])], both),
        g.op('ModulatedLayerNorm', ['rows', g.floats([3, 1, 8]), g.floats([1, 1, 8])], both),
        g.op('ModulatedLayerNorm', [g.floats([1, 8]), g.floats([6, 8]), g.floats([8])], both),
      ];
    },
  ],
  [
    'ChannelCenter, FakeQuant and HadamardTransform',
    (g) => {
      const given = { hasScale: attr.bool(true), hasMean: attr.bool(true) };
      return [
        ...outputs(g.op('ChannelCenter', ['x']), 2),
        ...outputs(g.op('ChannelCenter', ['rows', g.floats([8]), g.floats([8])], given), 2),
        g.op('FakeQuant', ['x'], { bits: attr.int(4) }),
        g.op('HadamardTransform', ['x'], { blockSize: attr.int(4) }),
      ];
    },
  ],
  [
    'HadaNormQuantize, whatever it centers, and QuantizedMatMul of floats and of codes',
    (g) => {
      const plain = g.op('HadaNormQuantize', ['x'], { groupSize: attr.int(3) });
      const some = g.op('HadaNormQuantize', ['x', g.floats([8]), g.floats([3, 8])], {
        ...{ hasScale: attr.bool(true), hasBasis: attr.bool(true), centre: attr.string('dynamic') },
      });
      const still = g.op('HadaNormQuantize', ['rows', g.floats([8])], {
        ...{ hasMean: attr.bool(true), centre: attr.string('static') },
      });
      const w = { bits: attr.int(32), groupSize: attr.int(8), d: attr.int(8), n: attr.int(5) };
      const codes = {
        ...{ hasCodes: attr.bool(true), xBits: attr.int(8), xGroupSize: attr.int(3) },
      };
      const matrix = g.floats([8, 5]);
      const parts = outputs(plain, 4);
      const [x, scale, zeroPoint, residual] = parts as [string, string, string, string];
      return [
        ...[...parts, ...outputs(some, 5), ...outputs(still, 3)],
        g.op('QuantizedMatMul', ['x', matrix], w),
        g.op('QuantizedMatMul', [x, matrix, scale, zeroPoint, residual], {
          ...{ ...w, ...codes, hasRest: attr.bool(true) },
        }),
      ];
    },
  ],
  conv('SAME'),
  conv('VALID'),
  conv('SAME', { strides: attr.ints([1, 2, 3, 1]) }),
  conv('VALID', { strides: attr.ints([1, 2, 2, 1]) }),
  conv('VALID', { dilations: attr.ints([1, 2, 3, 1]) }),
  conv('EXPLICIT', { explicit_paddings: attr.ints([0, 0, 1, 2, 3, 0, 0, 0]) }),
  [
    'Shape',
    (g) => [g.op('Shape', ['x'], { out_type: attr.type('int32') }), g.op('Shape', [g.floats([])])],
  ],
];

/** Where a shape depends on numbers that come with the run, nothing is guessed. */
const UNKNOWN: readonly [string, Build][] = [
  ['an op that it does not know', (g) => [g.op('MyOp', ['x'])]],
  ['what comes after one', (g) => [g.op('AddV2', ['x', g.op('MyOp', ['x'])])]],
  [
    'an Einsum with an ellipsis',
    (g) => [g.op('Einsum', ['x', g.floats([8, 3])], { equation: attr.string('...c,cd->...d') })],
  ],
];

describe('Shapes before a run', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const batch of [2, -1]) {
    const where = batch === 2 ? '' : ', batch unknown';
    for (const [what, build] of GRAPHS) {
      it(`${what}${where}: what tfjs computes`, () => {
        compare(build, batch, (inferred, actual, ref) => {
          expect(inferred, ref).to.have.lengthOf(actual.length);
          const filled = inferred!.map((dim, i) => (dim === -1 && batch === -1 ? actual[i]! : dim));
          expect(filled, ref).to.deep.equal(actual);
          // every dimension that the batch is no part of is known
          const free = inferred!.filter((dim) => dim === -1).length;
          expect(free, `unknown of [${inferred}] in ${ref}`).to.be.at.most(1);
        });
      });
    }
  }

  for (const [what, build] of UNKNOWN) {
    it(`${what} has no shape`, () => {
      const g = new Builder(2);
      const refs = build(g);
      const shapeOf = shapeInference(graphFromArtifacts(g.graph.build(refs)));
      expect(refs.map(shapeOf)).to.deep.equal(refs.map(() => null));
    });
  }

  it('slices from where only the run knows leave their axes open', () => {
    compare(
      (g) => {
        const shape = g.op('Shape', ['ids'], { out_type: attr.type('int32') });
        const ends = g.ints([2, 5]);
        return [
          g.op('StridedSlice', ['x', shape, ends, g.ints([1, 1])]),
          g.op('Slice', ['rows', shape, g.ints([-1, 2])]),
          g.op('Slice', ['rows', g.ints([1, 2]), shape]),
        ];
      },
      2,
      (inferred, actual, ref) => {
        expect(inferred, ref).to.have.lengthOf(actual.length);
        expect(
          inferred!.map((dim, i) => (dim === -1 ? actual[i] : dim)),
          ref,
        ).to.deep.equal(actual);
        expect(inferred, ref).to.contain(-1);
      },
    );
  });

  it('what a run observed comes before what is inferred', () => {
    const g = new Builder(-1);
    const odd = g.op('MyOp', ['x']);
    const sum = g.op('Relu', [odd]);
    const observed = new Map([[odd, [2, 6, 8]]]);
    const shapeOf = shapeInference(graphFromArtifacts(g.graph.build([sum])), observed);
    expect([shapeOf(sum), shapeOf(`${sum}:0`), shapeOf('gone')]).to.deep.equal([
      [2, 6, 8],
      [2, 6, 8],
      null,
    ]);
  });

  it('loops end, and graphs may be deeper than the call stack', () => {
    const node = [
      { name: 'x', op: 'Placeholder', attr: { shape: { shape: { dim: [{ size: 3 }] } } } },
      { name: 'merge', op: 'Merge', input: ['x', 'next'] },
      { name: 'body', op: 'AddV2', input: ['merge', 'x'] },
      { name: 'next', op: 'NextIteration', input: ['body'] },
      ...Array.from({ length: 30_000 }, (_, i) => {
        return { name: `n${i}`, op: 'Relu', input: [i === 0 ? 'x' : `n${i - 1}`] };
      }),
    ].reverse();
    const shapeOf = shapeInference(graphFromArtifacts({ modelTopology: { node } }));
    expect([shapeOf('n29999'), shapeOf('body')]).to.deep.equal([[3], null]);
  });
});

function compare(
  build: Build,
  batch: number,
  check: (inferred: readonly number[] | null, actual: number[], ref: string) => void,
): void {
  expectNoLeak(() => {
    const g = new Builder(batch);
    const refs = build(g);
    const artifacts = g.graph.build(refs);
    const shapeOf = shapeInference(graphFromArtifacts(artifacts));
    const model = new tf.GraphModel(tf.io.fromMemorySync(artifacts));
    model.load();
    tf.tidy(() => {
      const inputs = {
        x: tf.ones([2, 6, 8]),
        z: tf.ones([2, 6, 8]),
        image: tf.ones([2, 9, 11, 3]),
        ids: tf.zeros([2, 4], 'int32'),
        rows: tf.ones([6, 8]),
        yes: tf.zeros([2, 6], 'bool'),
      };
      const results = refs.map((ref) => model.execute(inputs, ref) as tf.Tensor);
      refs.forEach((ref, i) => {
        check(shapeOf(ref), results[i]!.shape, ref);
      });
    });
    model.dispose();
  });
}
