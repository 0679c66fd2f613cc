import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { hadamardTransformReference } from '../../../ops/hadamardTransform/reference.js';
import { hadamardPlan, orthonormalRow } from '../../../ops/numerics/hadamard.js';
import { HadamardSizeError, hadamardTransform, InvalidArgumentError } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { EPS, expectWithin, expectWithinTwiceNaive } from '../../harness/numbers/compare.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { DIT_WIDTHS } from '../../harness/numbers/widths.js';
import { type OpCase, runOpCases } from '../../harness/ops/opCases.js';
import { expectNoLeak } from '../../harness/run/memory.js';

type ErrorClass = typeof InvalidArgumentError | typeof HadamardSizeError;

interface Row {
  shape: number[];
  blockSize?: number;
  transpose?: boolean;
}

const ROWS: readonly Row[] = [
  { shape: [1] },
  { shape: [2] },
  { shape: [3, 4] },
  { shape: [5, 8], transpose: true },
  { shape: [2, 3, 12] },
  { shape: [2, 3, 12], transpose: true },
  { shape: [1, 20], transpose: true },
  { shape: [7, 28] },
  { shape: [3, 36] },
  { shape: [2, 44], transpose: true },
  { shape: [2, 2, 2, 48] },
  { shape: [1, 76] },
  { shape: [2, 140], transpose: true },
  { shape: [4, 240] },
  { shape: [17, 256] },
  { shape: [3, 384] },
  { shape: [2, 1152] },
  { shape: [2, 1152], transpose: true },
  { shape: [1, 2240] },
  { shape: [1, 4608] },
  // factors over prime powers: 7² + 1 twice, 7³ + 1
  { shape: [3, 100] },
  { shape: [2, 344], transpose: true },
  { shape: [1, 2752] },
  // large enough for the other path of kernels that have two
  { shape: [48, 384] },
  { shape: [86, 48] },
  { shape: [2050, 2] },
  { shape: [2, 72], transpose: true },
  { shape: [15, 1152], transpose: true },
  { shape: [3, 6], blockSize: 2 },
  { shape: [3, 36], blockSize: 12, transpose: true },
  { shape: [2, 1150], blockSize: 2 },
  { shape: [5, 7], blockSize: 1 },
];

runOpCases('HadamardTransform', ROWS.map(toCase));

describeOnBackends('HadamardTransform edges', (backend) => {
  it('every row keeps its length, and the transpose is the inverse, at every DiT width', () => {
    // two programs a width, which a GPU in software compiles for seconds in all
    const widths = backend === 'webgpu' ? oneForEachPaley(DIT_WIDTHS) : DIT_WIDTHS;
    for (const n of widths) {
      expectNoLeak(() =>
        tf.tidy(() => {
          const x = tf.tensor2d(normal(2 * n, n), [2, n]);
          const y = hadamardTransform(x);
          const back = hadamardTransform(y, { transpose: true });
          expectWithin(back.dataSync(), x.dataSync(), 64 * EPS);
          const lengths = (t: tf.Tensor) => tf.norm(t, 2, 1).dataSync();
          expectWithin(lengths(y), lengths(x), 64 * EPS * Math.sqrt(n));
        }),
      );
    }
  });

  it('numbers are taken as tensors are, and an empty batch stays empty', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        expect([...hadamardTransform([4, 0, 0, 0]).dataSync()]).to.deep.equal([2, 2, 2, 2]);
        expect([...hadamardTransform(new Float32Array([3])).dataSync()]).to.deep.equal([3]);
        expect(hadamardTransform(tf.zeros([0, 12])).shape).to.deep.equal([0, 12]);
      }),
    );
  });

  it('an outlier of 1e30 is spread evenly', () => {
    tf.tidy(() => {
      const y = hadamardTransform([1e30, ...Array<number>(1151).fill(0)]).dataSync();
      const expected = Float64Array.from(
        y,
        (v) => (Math.sign(v) * Math.fround(1e30)) / Math.sqrt(1152),
      );
      expectWithin(y, expected, 4 * EPS * 3e28);
    });
  });

  it('the identity does not share its memory with x', () => {
    const x = tf.tensor1d([1, 2, 3]);
    const y = hadamardTransform(x, { blockSize: 1 });
    x.dispose();
    expect([...y.dataSync()]).to.deep.equal([1, 2, 3]);
    y.dispose();
  });
});

describeOnBackends('HadamardTransform validation', () => {
  const wrong: [string, () => unknown, ErrorClass, string][] = [
    [
      'a scalar',
      () => hadamardTransform(3),
      InvalidArgumentError,
      'x must be of rank ≥ 1 ([..., n]), got rank 0 (shape []).',
    ],
    [
      'an int32 tensor',
      () => hadamardTransform(tf.ones([4], 'int32')),
      InvalidArgumentError,
      'got a tensor of dtype int32. Cast it with tf.cast(x, "float32").',
    ],
    [
      'text',
      () => hadamardTransform('four'),
      InvalidArgumentError,
      'x must be a float32 tensor or numbers in a regular array, got "four".',
    ],
    [
      'ragged numbers',
      () => hadamardTransform([[1, 2], [3]]),
      InvalidArgumentError,
      'got [[1, 2], [3]].',
    ],
    [
      'an empty last axis',
      () => hadamardTransform(tf.zeros([3, 0])),
      InvalidArgumentError,
      'non-empty along its last axis',
    ],
    [
      'a size without a matrix',
      () => hadamardTransform(tf.zeros([2, 1150])),
      HadamardSizeError,
      'Use blockSize 2, or pad the layer to 1152.',
    ],
    [
      'a block that does not divide',
      () => hadamardTransform(tf.zeros([12]), { blockSize: 8 }),
      InvalidArgumentError,
      'blockSize must be a divisor of the last axis (12), got 8.',
    ],
    [
      'half a block',
      () => hadamardTransform(tf.zeros([12]), { blockSize: 0.5 }),
      InvalidArgumentError,
      'blockSize must be an integer ≥ 1, got 0.5.',
    ],
    [
      'an option that is not there',
      () => hadamardTransform(tf.zeros([12]), { blocksize: 4 } as object),
      InvalidArgumentError,
      'options must be made of transpose, blockSize, got "blocksize".',
    ],
    [
      'a flag that is not one',
      () => hadamardTransform(tf.zeros([12]), { transpose: 1 as unknown as boolean }),
      InvalidArgumentError,
      'transpose must be true or false, got 1.',
    ],
  ];
  for (const [what, call, type, message] of wrong) {
    it(`${what} is refused with a way out`, () => {
      expectNoLeak(() => tf.tidy(() => void expect(call).to.throw(type, message)));
    });
  }

  it('a disposed tensor is refused', () => {
    const x = tf.zeros([4]);
    x.dispose();
    expect(() => hadamardTransform(x)).to.throw(InvalidArgumentError, 'got a disposed tensor');
  });
});

/** The first width with each set of Paley's factors. */
function oneForEachPaley(widths: readonly number[]): number[] {
  const paley = (n: number) =>
    hadamardPlan('test', n).factors.filter(({ kind }) => kind !== 'sylvester');
  const first = new Map<string, number>();
  for (const n of widths) {
    const key = paley(n)
      .map(({ order }) => order)
      .join();
    if (!first.has(key)) first.set(key, n);
  }
  return [...first.values()];
}

function toCase({ shape, blockSize, transpose = false }: Row): OpCase {
  const size = sizeOf(shape);
  const block = blockSize ?? shape[shape.length - 1]!;
  const values = normal(size, size + block, 0.5, 2);
  const reference = ([x]: Float64Array[]) => [hadamardTransformReference(x!, block, transpose)];
  const options = blockSize === undefined ? { transpose } : { transpose, blockSize };
  const poisoned = Math.floor(size / 2);
  const blocks = blockSize ? ` in blocks of ${blockSize}` : '';
  return {
    name: `[${shape}]${blocks}${transpose ? ', transposed' : ''}`,
    inputs: [{ shape, values }],
    run: ([x]) => [hadamardTransform(x!, options)],
    shapes: [shape],
    check: ([y]) =>
      expectWithinTwiceNaive(
        y!,
        reference([Float64Array.from(values)])[0]!,
        naive(values, block, transpose),
      ),
    // the op is linear: central differences are exact but for rounding
    ...(size <= 400 ? { gradient: { reference, step: 1, tolerance: 1e-5 } } : {}),
    poison: {
      element: poisoned,
      reaches: (_, i) => Math.floor(i / block) === Math.floor(poisoned / block),
    },
  };
}

/** The product with the explicit matrix, every step rounded to float32. */
function naive(x: Float32Array, block: number, transpose: boolean): Float32Array {
  const plan = hadamardPlan('test', block);
  const y = new Float32Array(x.length);
  for (let i = 0; i < block; i++) {
    const row = Float32Array.from(orthonormalRow(plan, i));
    for (let start = 0; start < x.length; start += block) {
      for (let j = 0; j < block; j++) {
        const from = start + (transpose ? j : i);
        const to = start + (transpose ? i : j);
        y[to] = y[to]! + Math.fround(x[from]! * row[j]!);
      }
    }
  }
  return y;
}
