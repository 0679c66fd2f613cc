import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { rmsNorm } from '../../../examples/webgpu/rmsNorm.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { maxError } from '../../harness/numbers/compare.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';

describeOnBackends('The kernel of docs/webgpu-ops.md', (backend) => {
  if (backend !== 'webgpu') return;

  for (const columns of [1, 63, 64, 65, 200]) {
    it(`rows of ${columns} are as tfjs's own ops give them`, () => {
      expectNoLeak(() =>
        tf.tidy(() => {
          const x = tf.tensor2d(normal(5 * columns, columns), [5, columns]);
          const squares = tf.mean(tf.square(x), 1, true);
          const wanted = tf.mul(x, tf.rsqrt(tf.add(squares, 1e-6)));
          expect(maxError(rmsNorm(x).dataSync(), wanted.dataSync())).to.be.below(1e-5);
        }),
      );
    });
  }
});
