import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { InvalidArgumentError } from '../../../../src/index.js';
import '../../../harness/backends/backends.js';
import { expectNoLeak } from '../../../harness/run/memory.js';

/** Two indices into [2, 3], and what comes of them. */
type Call = (at: tf.Tensor2D) => tf.Tensor;
const CALLS: Readonly<Record<string, readonly [Call, readonly number[]]>> = {
  GatherNd: [(at) => tf.gatherND(numbers(), at), [6, 2]],
  ScatterNd: [(at) => tf.scatterND(at, tf.tensor1d([7, 8]), [2, 3]), [0, 8, 0, 0, 0, 7]],
  TensorScatterUpdate: [
    (at) => tf.tensorScatterUpdate(numbers(), at, tf.tensor1d([7, 8])),
    [1, 8, 3, 4, 5, 7],
  ],
  SparseToDense: [
    (at) => tf.sparseToDense(at, tf.tensor1d([7, 8]), [2, 3], tf.scalar(9)),
    [9, 8, 9, 9, 9, 7],
  ],
};

function numbers(): tf.Tensor2D {
  return tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
}

describe("tfjs's kernels that read and write by indices on wasm", () => {
  before(async () => {
    await tf.setBackend('wasm');
  });

  for (const [kernel, [call, wanted]] of Object.entries(CALLS)) {
    const by = (indices: number[]) => call(tf.tensor2d(indices, [2, 2], 'int32'));

    it(`${kernel} is as it was by indices that are there`, () => {
      const values = expectNoLeak(() => tf.tidy(() => [...by([1, 2, 0, 1]).dataSync()]));
      expect(values).to.deep.equal(wanted);
    });

    it(`${kernel} refuses others`, () => {
      for (const wrong of [
        [1, 3],
        [2, 0],
        [0, -1],
        [2 ** 30, 0],
      ]) {
        expectNoLeak(() => {
          const run = () => tf.tidy(() => by([0, 0, ...wrong]));
          expect(run).to.throw(InvalidArgumentError, `${kernel}: `);
        });
      }
    });
  }

  it('take single numbers along the first axis', () => {
    tf.tidy(() => {
      const at = tf.tensor1d([3, 0], 'int32');
      const dense = tf.sparseToDense(at, tf.tensor1d([7, 8]), [4]);
      expect([...dense.dataSync()]).to.deep.equal([8, 0, 0, 7]);
      expect(() => tf.sparseToDense(at, tf.tensor1d([7, 8]), [3])).to.throw(InvalidArgumentError);
      expect([...tf.gatherND(numbers(), tf.tensor1d([1], 'int32')).dataSync()]).to.deep.equal([
        4, 5, 6,
      ]);
    });
  });
});
