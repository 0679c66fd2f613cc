import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import '../../../harness/backends/backends.js';
import { sizeOf } from '../../../harness/numbers/random.js';
import { expectNoLeak } from '../../../harness/run/memory.js';

/** Shapes of x and of the indices, as many leading axes of which are the same as may be. */
const SHAPES: readonly (readonly [number[], number[]])[] = [
  [[2, 3], [2]],
  [
    [2, 3],
    [2, 4],
  ],
  [
    [3, 4],
    [3, 3],
  ],
  [
    [3, 4],
    [3, 1],
  ],
  [
    [1, 4],
    [1, 3],
  ],
  [
    [2, 3, 4],
    [2, 3, 5],
  ],
  [
    [2, 3, 4, 2],
    [2, 3],
  ],
  [
    [3, 3, 2, 2],
    [3, 3, 2],
  ],
  [
    [2, 3, 4],
    [2, 0],
  ],
];

interface Lookup {
  readonly shape: readonly number[];
  readonly ids: readonly number[];
  readonly axis: number;
  readonly batchDims: number;
}

const LOOKUPS: readonly Lookup[] = SHAPES.flatMap(([shape, ids]) =>
  Array.from({ length: ids.length + 1 }, (_, batchDims) => batchDims)
    .filter((batchDims) => batchDims < shape.length)
    .flatMap((batchDims) =>
      Array.from({ length: shape.length - batchDims }, (_, i) => batchDims + i)
        .filter(() => `${shape.slice(0, batchDims)}` === `${ids.slice(0, batchDims)}`)
        .map((axis) => ({ shape, ids, axis, batchDims })),
    ),
);

describe('Lookups on wasm', () => {
  before(async () => {
    await tf.setBackend('wasm');
  });

  for (const dtype of ['float32', 'int32', 'bool'] as const) {
    for (const lookup of LOOKUPS) {
      const { shape, ids, axis, batchDims } = lookup;
      it(`[${shape}] by [${ids}] along ${axis}, batchDims ${batchDims}, ${dtype}`, () => {
        const { x, indices, wanted } = numbers(lookup, dtype === 'bool');
        expectNoLeak(() =>
          tf.tidy(() => {
            const [table, at] = [
              tf.tensor(x, [...shape], dtype),
              tf.tensor(indices, [...ids], 'int32'),
            ];
            const y = tf.gather(table, at, axis, batchDims);
            const ofSample = ids.slice(batchDims);
            const all = [...shape.slice(0, axis), ...ofSample, ...shape.slice(axis + 1)];
            expect(y.shape).to.deep.equal(all);
            expect(y.dtype).to.equal(dtype);
            expect([...y.dataSync()]).to.deep.equal(wanted);
            // axes counted from behind
            const dims = batchDims === ids.length ? batchDims : batchDims - ids.length;
            const same = tf.gather(table, at, axis - shape.length, dims);
            expect([...same.dataSync()]).to.deep.equal(wanted);
          }),
        );
      });
    }
  }

  it("refuse an index that is another sample's, and leave nothing", () => {
    for (const index of [-1, 3]) {
      expectNoLeak(() =>
        tf.tidy(() => {
          const at = tf.tensor2d([[0], [index]], [2, 1], 'int32');
          const call = () => tf.gather(tf.ones([2, 3]), at, 1, 1);
          expect(call).to.throw(`the index value ${index} is not in [0, 2]`);
        }),
      );
    }
  });
});

/** Whole numbers, indices of every kind, and what is to come out. */
function numbers({ shape, ids, axis, batchDims }: Lookup, bits: boolean) {
  const x = Array.from({ length: sizeOf(shape) }, (_, i) => (bits ? Number(i % 3 === 0) : i));
  const length = shape[axis]!;
  const indices = Array.from({ length: sizeOf(ids) }, (_, i) => (5 * i + 1) % length);
  const samples = sizeOf(shape.slice(0, batchDims));
  const outer = sizeOf(shape.slice(batchDims, axis));
  const slice = sizeOf(shape.slice(axis + 1));
  const each = indices.length / samples;
  const wanted: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    for (let group = sample * outer; group < (sample + 1) * outer; group++) {
      for (let i = 0; i < each; i++) {
        const from = (group * length + indices[sample * each + i]!) * slice;
        wanted.push(...x.slice(from, from + slice));
      }
    }
  }
  return { x, indices, wanted };
}
