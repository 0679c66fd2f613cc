import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  type LayerNormNumbers,
  layerNormReference,
} from '../../../ops/modulatedLayerNorm/reference.js';
import { type AttrValue, attr } from '../../../src/graph/attrs.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import {
  InvalidArgumentError,
  type LayerNormOptions,
  modulatedLayerNorm,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { expectWithinTwiceNaive, maxError } from '../../harness/numbers/compare.js';
import type { Values } from '../../harness/numbers/gradient.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { type OpCase, runOpCases } from '../../harness/ops/opCases.js';
import { expectNoLeak } from '../../harness/run/memory.js';

interface Row {
  readonly shape: readonly number[];
  readonly affine?: 'gamma' | 'beta' | 'both';
  /** Shapes. */
  readonly factor?: readonly number[];
  readonly shift?: readonly number[];
  readonly center?: false;
  readonly epsilon?: number;
  /** Of x, whose deviation is 1. */
  readonly mean?: number;
}

const ROWS: readonly Row[] = [
  // lengths around the widths of vectors, then models'
  ...[1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 64, 100].map((d): Row => ({ shape: [3, d] })),
  { shape: [64, 384], factor: [1, 384], shift: [1, 384] },
  { shape: [2, 9, 1152], factor: [2, 1, 1152], shift: [2, 1, 1152] },
  { shape: [33] },
  { shape: [2, 3, 4, 10] },
  // affine parts and modulations, alone and together
  { shape: [4, 10], affine: 'gamma' },
  { shape: [4, 11], affine: 'beta' },
  { shape: [2, 5, 12], affine: 'both' },
  { shape: [2, 5, 13], factor: [2, 1, 13] },
  { shape: [2, 5, 13], shift: [2, 1, 13] },
  { shape: [2, 5, 9], affine: 'both', factor: [2, 1, 9], shift: [2, 1, 9] },
  // a row for each sample, for all samples, for each token, in other ranks, for either of its own
  { shape: [2, 5, 9], factor: [1, 1, 9], shift: [2, 1, 9] },
  { shape: [2, 5, 9], factor: [2, 5, 9], shift: [1, 1, 9] },
  { shape: [2, 3, 4, 9], factor: [2, 1, 1, 9], shift: [2, 3, 1, 9] },
  { shape: [6, 9], factor: [6, 9], shift: [1, 9] },
  { shape: [1, 5, 9], factor: [1, 1, 9], shift: [1, 5, 9] },
  // RMSNorm
  { shape: [5, 24], center: false },
  { shape: [2, 3, 2, 12], center: false, affine: 'gamma' },
  // other epsilons; a mean far from 0
  { shape: [5, 24], epsilon: 0 },
  { shape: [5, 24], epsilon: 1 },
  { shape: [5, 24], mean: 100, affine: 'both' },
];

runOpCases('ModulatedLayerNorm', ROWS.map(toCase));

describeOnBackends('ModulatedLayerNorm at its edges', () => {
  it('a row of equal values is 0, whatever they are', () => {
    tf.tidy(() => {
      const y = modulatedLayerNorm(tf.fill([2, 8], 1 << 20), { shift: [new Array(8).fill(3)] });
      expect([...y.dataSync()]).to.deep.equal(new Array(16).fill(3));
    });
  });

  it('numbers are taken as tensors are, and an empty batch stays empty', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const y = modulatedLayerNorm([[1, 3]], { gamma: [2, 2], beta: [0, 1], epsilon: 0 });
        expect(y.arraySync()).to.deep.equal([[-2, 3]]);
        const empty = modulatedLayerNorm(tf.zeros([0, 3, 4]), { factor: tf.zeros([0, 1, 4]) });
        expect(empty.shape).to.deep.equal([0, 3, 4]);
      }),
    );
  });

  for (const shape of [[2, 1, 4], [1, 3, 4], [3, 4], [3, 1], [1], [], [5, 1, 1, 4]]) {
    it(`a factor and a shift [${shape}] broadcast with one sample [1,3,4]`, () => {
      expectNoLeak(() =>
        tf.tidy(() => {
          const x = tf.tensor3d(normal(12, 3), [1, 3, 4]);
          const [factor, shift] = [4, 5].map((seed) =>
            tf.tensor(normal(sizeOf(shape), seed), shape),
          );
          const y = modulatedLayerNorm(x, { factor: factor!, shift: shift! });
          const apart = tf.add(tf.mul(modulatedLayerNorm(x), factor!), shift!);
          expect(y.shape).to.deep.equal(apart.shape);
          expect(maxError(y.dataSync(), apart.dataSync())).to.be.below(1e-6);
        }),
      );
    });
  }

  const x = () => tf.zeros([2, 3, 4]);
  const wrong: [string, () => unknown, string][] = [
    ['a scalar', () => modulatedLayerNorm(1), 'x must be of rank ≥ 1 ([..., d]), got rank 0'],
    [
      'no channels',
      () => modulatedLayerNorm(tf.zeros([2, 0])),
      'x must be of at least one channel',
    ],
    ['a gamma of another length', () => modulatedLayerNorm(x(), { gamma: [1] }), 'of shape [4]'],
    ['a beta of another rank', () => modulatedLayerNorm(x(), { beta: [[1, 1, 1, 1]] }), '[1,4]'],
    [
      'a factor of another rank',
      () => modulatedLayerNorm(x(), { factor: tf.zeros([2, 4]) }),
      'factor must be of a shape that broadcasts with x [2,3,4], such as leading axes of it, then',
    ],
    [
      'a factor and a shift of which each broadcasts with x, but not with the other',
      () => modulatedLayerNorm(tf.zeros([3, 4]), { factor: tf.zeros([7, 3, 4]), shift: x() }),
      'shift must be of a shape that broadcasts with x and factor together, [7,3,4], got shape [2,',
    ],
    ['an epsilon below 0', () => modulatedLayerNorm(x(), { epsilon: -1 }), 'epsilon must be a'],
    [
      'an option that is not there',
      () => modulatedLayerNorm(x(), { scale: 1 } as LayerNormOptions),
      'options must be made of gamma, beta, factor, shift, epsilon, center, got "scale".',
    ],
  ];
  for (const [what, call, message] of wrong) {
    it(`${what} is refused with a way out`, () => {
      expectNoLeak(() => tf.tidy(() => void expect(call).to.throw(InvalidArgumentError, message)));
    });
  }
});

describeOnBackends('ModulatedLayerNorm in a graph', () => {
  const names = ['gamma', 'beta', 'factor', 'shift'] as const;
  const shapes = { gamma: [6], beta: [6], factor: [2, 1, 6], shift: [2, 1, 6] };
  for (const given of [[], ['gamma'], ['beta', 'shift'], ['factor', 'shift'], names] as const) {
    it(`${given.join(', ') || 'x alone'}, with a control input: as it is eagerly`, () => {
      expectNoLeak(() => {
        const graph = new GraphBuilder();
        graph.placeholder('x', [2, 3, 6]);
        for (const name of given) graph.placeholder(name, shapes[name]);
        const has = given.map((name) => [
          `has${name[0]!.toUpperCase()}${name.slice(1)}`,
          attr.bool(true),
        ]);
        const attrs: Record<string, AttrValue> = {
          ...Object.fromEntries(has),
          epsilon: attr.float(0.25),
          center: attr.bool(given.length !== 1),
        };
        graph.node('ModulatedLayerNorm', 'y', ['x', ...given, '^x'], attrs);
        const model = tf.loadGraphModelSync(graph.build(['y']));
        tf.tidy(() => {
          const options = Object.fromEntries(
            given.map((name, i) => [
              name,
              tf.tensor(normal(sizeOf(shapes[name]), i), shapes[name]),
            ]),
          );
          const x = tf.tensor3d(normal(36, 9), [2, 3, 6]);
          const y = model.execute({ x, ...options }) as tf.Tensor;
          const center = given.length !== 1;
          const direct = modulatedLayerNorm(x, { ...options, epsilon: 0.25, center });
          expect(y.arraySync()).to.deep.equal(direct.arraySync());
        });
        model.dispose();
      });
    });
  }
});

function toCase(row: Row): OpCase {
  const { shape, affine, factor, shift, center = true, epsilon = 1e-6, mean = 1 } = row;
  const d = shape.at(-1)!;
  const random = (dims: readonly number[], seed: number, around = 0): Values => ({
    shape: [...dims],
    values: normal(sizeOf(dims), 17 * sizeOf(shape) + seed, around),
  });
  const given = {
    x: random(shape, 1, mean),
    ...(affine === 'gamma' || affine === 'both' ? { gamma: random([d], 2, 1) } : {}),
    ...(affine === 'beta' || affine === 'both' ? { beta: random([d], 3) } : {}),
    ...(factor === undefined ? {} : { factor: random(factor, 4, 1) }),
    ...(shift === undefined ? {} : { shift: random(shift, 5) }),
  };
  const names = Object.keys(given);
  const poisoned = Math.floor(sizeOf(shape) / 2);
  return {
    name: nameOf(row),
    inputs: Object.values<Values>(given),
    run: (tensors) => {
      const { x, ...rest } = Object.fromEntries(tensors.map((tensor, i) => [names[i]!, tensor]));
      return [modulatedLayerNorm(x!, { ...rest, center, epsilon })];
    },
    shapes: [shape],
    check: ([y]) => {
      const numbers = Object.fromEntries(
        Object.entries<Values>(given).map(([name, { values }]) => [name, values]),
      ) as unknown as LayerNormNumbers;
      const exact = layerNormReference(numbers, d, epsilon, center);
      expectWithinTwiceNaive(y!, exact, naive(numbers, d, epsilon, center));
    },
    poison: {
      element: poisoned,
      reaches: (_, i) => Math.floor(i / d) === Math.floor(poisoned / d),
    },
  };
}

/** The definition with every step rounded to float32, the constants first among them. */
function naive(
  { x, gamma, beta, factor, shift }: LayerNormNumbers,
  d: number,
  epsilon: number,
  center: boolean,
): Float32Array {
  const f = Math.fround;
  const out = new Float32Array(x.length);
  const rows = x.length / d;
  const at = (values: ArrayLike<number>, row: number, c: number) =>
    values[Math.floor((row * (values.length / d)) / rows) * d + c]!;
  for (let row = 0; row < rows; row++) {
    let [sum, squares] = [0, 0];
    for (let c = 0; c < d; c++) sum = f(sum + x[row * d + c]!);
    const mean = center ? f(sum / d) : 0;
    for (let c = 0; c < d; c++) squares = f(squares + f(f(x[row * d + c]! - mean) ** 2));
    const inverse = f(1 / f(Math.sqrt(f(f(squares / d) + f(epsilon)))));
    for (let c = 0; c < d; c++) {
      let y = f(f(x[row * d + c]! - mean) * inverse);
      if (gamma !== undefined) y = f(y * gamma[c]!);
      if (beta !== undefined) y = f(y + beta[c]!);
      if (factor !== undefined) y = f(y * at(factor, row, c));
      out[row * d + c] = shift === undefined ? y : y + at(shift, row, c);
    }
  }
  return out;
}

function nameOf({ shape, affine, factor, shift, center, epsilon, mean }: Row): string {
  return [
    `[${shape}]`,
    ...(affine === undefined ? [] : [affine === 'both' ? 'gamma and beta' : affine]),
    ...(factor === undefined ? [] : [`factor [${factor}]`]),
    ...(shift === undefined ? [] : [`shift [${shift}]`]),
    ...(center === undefined ? [] : ['not centered']),
    ...(epsilon === undefined ? [] : [`epsilon ${epsilon}`]),
    ...(mean === undefined ? [] : [`around ${mean}`]),
  ].join(', ');
}
