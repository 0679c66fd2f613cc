import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import '../../../src/chained.js';
import { packCodes } from '../../../ops/numerics/packing.js';
import {
  channelCenter,
  fakeQuant,
  hadamardTransform,
  quantizedMatMul,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import { normal } from '../../harness/numbers/random.js';

describeOnBackends('Tensors of all kinds', (backend) => {
  // one below and one above the sizes at which kernels that have two ways change over
  for (const shape of [
    [3, 12],
    [300, 1152],
  ] as const) {
    it(`a tensor that was made on another backend is fetched, [${shape}]`, async () => {
      const run = ([x, scale, codes, steps]: tf.Tensor[]) =>
        tf.tidy(() => {
          const packed = { codes: codes!, scale: steps!, bits: 5, groupSize: 64 };
          return [
            fakeQuant(x!),
            hadamardTransform(x!),
            channelCenter(x!, { scale: scale! }).centered,
            quantizedMatMul(x!, { ...packed, shape: [shape[1], 7] }),
          ].map((y) => y.dataSync().slice());
        });
      await tf.setBackend('cpu');
      const x = tf.tensor2d(normal(shape[0] * shape[1], 1), [...shape]);
      const scale = tf.tensor1d(normal(shape[1], 2).map((v) => 1 + Math.abs(v)));
      const ints = Int8Array.from({ length: 7 * shape[1] }, (_, i) => (i % 32) - 16);
      const codes = tf.tensor1d(packCodes(ints, shape[1], 7, 5), 'bool');
      const groups = Math.ceil(shape[1] / 64);
      const steps = tf.tensor2d(normal(7 * groups, 5, 0, 1e-3), [groups, 7]);
      const given = [x, scale, codes, steps];
      const expected = run(given);
      await tf.setBackend(backend);
      run(given).forEach((values, i) => {
        expectWithin(values, expected[i]!, 1e-5);
      });
      tf.dispose(given);
    });
  }

  // GPUs may divide with an error of a few units in the last place
  if (['cpu', 'wasm', 'tensorflow'].includes(backend)) {
    for (const shape of [
      [7, 65],
      [300, 1152],
    ] as const) {
      for (const bits of [2, 4, 8, 13]) {
        it(`fakeQuant gives the very bits of the cpu: [${shape}], ${bits} bits`, async () => {
          const values = normal(shape[0] * shape[1], bits, 0.2);
          const run = () =>
            tf.tidy(() => {
              const x = tf.tensor2d(values, [...shape]);
              const range = { min: -0.9, max: 1.3 };
              return [
                fakeQuant(x, { bits }),
                fakeQuant(x, {
                  bits,
                  symmetric: true,
                  granularity: { kind: 'perGroup', groupSize: 64 },
                }),
                fakeQuant(x, { bits, granularity: { kind: 'perChannel' } }),
                fakeQuant(x, { bits, granularity: { kind: 'perTensor' }, range }),
              ].map((y) => y.dataSync().slice());
            });
          const here = run();
          await tf.setBackend('cpu');
          const there = run();
          await tf.setBackend(backend);
          // == takes −0 for 0: the sign of a zero is not part of the contract
          const different = here.map((y, i) => y.filter((v, at) => v !== there[i]![at]).length);
          expect(different, 'floats that differ').to.deep.equal([0, 0, 0, 0]);
        });
      }
    }
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
