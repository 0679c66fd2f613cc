import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { InputHashes } from '../../../src/calibrate/inputHash.js';
import { randomTensor } from '../../harness/graphs/tensors.js';

describe('Hashes of a batch', () => {
  let latents: tf.Tensor;
  let times: tf.Tensor;

  before(async () => {
    await tf.setBackend('cpu');
    latents = randomTensor([4, 3, 2], 1);
    times = tf.tensor1d([0.1, 0.1, 0.2, 0.1]);
  });
  after(() => tf.dispose([latents, times]));

  const all = (hashes: InputHashes, count: number) =>
    Array.from({ length: count }, (_, i) => hashes.of(i, count));

  it('are those of its samples by themselves, however they are batched', () => {
    tf.tidy(() => {
      const whole = all(new InputHashes([latents, times]), 4);
      const alone = [0, 1, 2, 3].map((i) =>
        new InputHashes([tf.slice(latents, i, 1), tf.slice(times, i, 1)]).of(0, 1),
      );
      expect(whole).to.deep.equal(alone);
      expect(new Set(whole).size).to.equal(4);
    });
  });

  it('tell one latent at two times apart', () => {
    tf.tidy(() => {
      const twice = tf.concat([tf.slice(latents, 0, 1), tf.slice(latents, 0, 1)]);
      const [a, b] = all(new InputHashes([twice, tf.tensor1d([0.1, 0.2])]), 2);
      expect(a).not.to.equal(b);
    });
  });

  it('are of as many samples as a tensor has: of each in turn, or of the batch as a whole', () => {
    const hashes = new InputHashes([latents, times]);
    for (const count of [8, 3, 1]) expect(new Set(all(hashes, count)).size).to.equal(count);
    expect(new Set([...all(hashes, 8), ...all(hashes, 4)]).size).to.equal(12);
  });

  it('take inputs of every dtype, scalars and what all samples share', () => {
    tf.tidy(() => {
      const labels = tf.tensor1d([1, 2, 3, 4], 'int32');
      const others = [
        [labels, tf.scalar(0.5)],
        [labels, tf.scalar(0.25)],
        [labels, tf.tensor2d([[1, 2]])],
        [labels, tf.tensor1d([true, false, true, false], 'bool')],
        [labels, tf.tensor1d(['a', 'b', 'c', 'ä'])],
        [labels],
      ];
      const firsts = others.map((inputs) => all(new InputHashes(inputs), 4));
      expect(new Set(firsts.flat()).size).to.equal(24);
    });
  });
});
