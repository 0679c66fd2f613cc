import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { addScatter, addScatterLater } from '../../../src/calibrate/scatter.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { normal } from '../../harness/numbers/random.js';

/** More channels than products are made of at a time, and rows of them. */
const [D, ROWS] = [1031, 4];

describeOnBackends('Products of a wide site’s tokens', () => {
  it('are those of every two channels once, in step and waited for', async () => {
    const x = normal(ROWS * D, 3);
    const sums = [0, 1].map(() => new Float64Array((D * (D + 1)) / 2).fill(1));
    // a backend that is not read in step has the other way only
    if (!/webgpu/.test(tf.getBackend())) addScatter(sums[0]!, x, D);
    else await addScatterLater(sums[0]!, x, D);
    await addScatterLater(sums[1]!, x, D);
    expect(sums[1]).to.deep.equal(sums[0]);
    let worst = 0;
    for (let i = 0, at = 0; i < D; i++) {
      for (let j = i; j < D; j++, at++) {
        let sum = 1;
        for (let t = 0; t < ROWS; t++) sum += x[t * D + i]! * x[t * D + j]!;
        worst = Math.max(worst, Math.abs(sums[0]![at]! - sum));
      }
    }
    expect(worst).to.be.below(1e-4);
  });
});
