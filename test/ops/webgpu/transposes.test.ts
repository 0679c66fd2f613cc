import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { checkBackends } from '../../../ops/common/alive.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';

const FORWARD = 'WEBGPU_CPU_FORWARD';
const [ROWS, COLUMNS] = [5, 7];
/** [2, 5, 7], each with bits that float32 has no room for. */
const NUMBERS = Int32Array.from({ length: 2 * ROWS * COLUMNS }, (_, i) => 2 ** 24 + 1 + 2 * i);
const FLAGS = NUMBERS.map((_, i) => (i % 3 === 0 ? 1 : 0));

describeOnBackends('transposed integers', (backend) => {
  let forwards = true;

  before(() => {
    if (backend !== 'webgpu') return;
    // small tensors are computed in the page's memory otherwise
    forwards = tf.env().getBool(FORWARD);
    tf.env().set(FORWARD, false);
    checkBackends('test');
  });

  after(() => {
    if (backend === 'webgpu') tf.env().set(FORWARD, forwards);
  });

  const numbers = () => tf.tensor3d(NUMBERS, [2, ROWS, COLUMNS], 'int32');
  const flags = () => tf.tensor3d(FLAGS, [2, ROWS, COLUMNS], 'bool');
  const turned = (values: Int32Array) => {
    const at = (i: number) => {
      const [sample, column, row] = [Math.floor(i / 35), Math.floor((i % 35) / ROWS), i % ROWS];
      return values[sample * 35 + row * COLUMNS + column]!;
    };
    return values.map((_, i) => at(i));
  };
  const columnSums = () => {
    const sums = new Array<number>(2 * COLUMNS).fill(0);
    FLAGS.forEach((flag, i) => {
      sums[Math.floor(i / 35) * COLUMNS + (i % COLUMNS)]! += flag;
    });
    return sums;
  };

  it('int32 and bool keep every bit', () => {
    tf.tidy(() => {
      const ints = tf.transpose(numbers(), [0, 2, 1]);
      expect(ints.dtype).to.equal('int32');
      // WebGL's integers are floats, once they are on the GPU
      const kept = (values: ArrayLike<number>) =>
        backend === 'webgl' ? Array.from(values, Math.fround) : Array.from(values);
      expect(kept(ints.dataSync())).to.deep.equal(kept(turned(NUMBERS)));
      const bools = tf.transpose(flags(), [0, 2, 1]);
      expect(Array.from(bools.dataSync())).to.deep.equal(Array.from(turned(FLAGS)));
    });
  });

  it('what was cast from bool is transposed, summed, averaged and maximized as numbers', () => {
    tf.tidy(() => {
      const cast = tf.cast(flags(), 'float32');
      const values = (x: tf.Tensor) => Array.from(x.dataSync());
      expect(values(tf.transpose(cast, [0, 2, 1]))).to.deep.equal(Array.from(turned(FLAGS)));
      const sums = columnSums();
      expect(values(tf.sum(cast, -2))).to.deep.equal(sums);
      const means = values(tf.mean(cast, -2));
      means.forEach((mean, i) => {
        expect(mean).to.be.closeTo(sums[i]! / ROWS, 1e-6);
      });
      expect(values(tf.max(cast, 1))).to.deep.equal(sums.map((sum) => Math.min(sum, 1)));
    });
  });
});
