import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import '../../src/chained.js';
import { channelCenter, fakeQuant, hadamardTransform } from '../../src/index.js';
import { describeOnBackends } from '../harness/backends.js';
import { expectWithin } from '../harness/compare.js';
import { normal } from '../harness/random.js';

describeOnBackends('Tensors of all kinds', (backend) => {
  // one below and one above the sizes at which kernels that have two ways change over
  for (const shape of [
    [3, 12],
    [300, 1152],
  ] as const) {
    it(`a tensor that was made on another backend is fetched, [${shape}]`, async () => {
      const run = (x: tf.Tensor, scale: tf.Tensor) =>
        tf.tidy(() =>
          [fakeQuant(x), hadamardTransform(x), channelCenter(x, { scale }).centered].map((y) =>
            y.dataSync().slice(),
          ),
        );
      await tf.setBackend('cpu');
      const x = tf.tensor2d(normal(shape[0] * shape[1], 1), [...shape]);
      const scale = tf.tensor1d(normal(shape[1], 2).map((v) => 1 + Math.abs(v)));
      const expected = run(x, scale);
      await tf.setBackend(backend);
      run(x, scale).forEach((values, i) => {
        expectWithin(values, expected[i]!, 1e-5);
      });
      tf.dispose([x, scale]);
    });
  }

  it('chained methods do what the functions do', () => {
    tf.tidy(() => {
      const x = tf.tensor2d(normal(48, 3), [4, 12]);
      const same = (a: tf.Tensor, b: tf.Tensor) =>
        expect(a.arraySync()).to.deep.equal(b.arraySync());
      same(x.hadamardTransform({ blockSize: 4 }), hadamardTransform(x, { blockSize: 4 }));
      same(x.fakeQuant({ bits: 4 }), fakeQuant(x, { bits: 4 }));
      same(
        x.channelCenter({ mean: [...normal(12, 4)] }).centered,
        channelCenter(x, { mean: [...normal(12, 4)] }).centered,
      );
    });
  });
});
