import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { checkBackends } from '../../../ops/common/alive.js';
import { currentBackend } from '../../../ops/common/kernel.js';
import type { WebgpuBackend } from '../../../ops/webgpu/backend.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const [SAMPLES, TOKENS] = [2, 3];
/** With bits that float32 has no room for. */
const NUMBERS = Int32Array.from({ length: SAMPLES * TOKENS * 24 }, (_, i) => 2 ** 24 + 1 + 2 * i);

/** tfjs's own slices round to float32. */
const SMALL = NUMBERS.map((value) => value - 2 ** 24);

/** Parts of the last axis of [samples, tokens, 24], as numbers in a row. */
function partsOf(sizes: readonly number[], values = NUMBERS): number[][] {
  let first = 0;
  return sizes.map((size) => {
    const from = first;
    first += size;
    const inside = (column: number) => column >= from && column < from + size;
    return [...values].filter((_, i) => inside(i % 24));
  });
}

describeOnBackends('Splits of the last axis', (backend) => {
  if (backend !== 'webgpu') return;

  before(() => checkBackends('test'));

  /** On the GPU. */
  const numbers = (values = NUMBERS) => {
    const x = tf.tensor(values, [SAMPLES, TOKENS, 24], 'int32');
    const { uploadToGPU } = currentBackend<WebgpuBackend>();
    uploadToGPU.call(currentBackend(), x.dataId);
    return x;
  };
  /** How many programs something takes. */
  const programs = (run: () => void) => {
    const webgpu = currentBackend<WebgpuBackend & { dispatchCountInPass: number }>();
    tf.tidy(() => void tf.tensor(NUMBERS).abs().dataSync());
    const before = webgpu.dispatchCountInPass;
    run();
    return webgpu.dispatchCountInPass - before;
  };

  for (const count of [2, 3, 6]) {
    it(`${count} equal parts keep every bit, in one program`, () => {
      expectNoLeak(() =>
        tf.tidy(() => {
          const x = numbers();
          let parts: tf.Tensor[] = [];
          const taken = programs(() => {
            parts = tf.split(x, count, -1);
          });
          expect(taken).to.equal(1);
          const wanted = partsOf(new Array<number>(count).fill(24 / count));
          expect(parts.map((part) => [...part.dataSync()])).to.deep.equal(wanted);
          for (const part of parts) {
            expect(part.dtype).to.equal('int32');
            expect(part.shape).to.deep.equal([SAMPLES, TOKENS, 24 / count]);
          }
        }),
      );
    });
  }

  for (const sizes of [[8, 16], [12, -1], new Array<number>(12).fill(2), [24]]) {
    it(`parts of ${sizes.join(', ')} are tfjs's own`, () => {
      tf.tidy(() => {
        const parts = tf.split(numbers(SMALL), sizes, 2).map((part) => [...part.dataSync()]);
        const all = sizes.map((size) => (size < 0 ? 12 : size));
        expect(parts).to.deep.equal(partsOf(all, SMALL));
      });
    });
  }

  it('another axis, flags, and what was cast are as tfjs has them', () => {
    tf.tidy(() => {
      const x = numbers(SMALL);
      const [first] = tf.split(x, 3, 1);
      expect([...first!.dataSync()]).to.deep.equal(
        [...SMALL].filter((_, i) => Math.floor(i / 24) % TOKENS === 0),
      );
      const flags = tf.greater(x, 100);
      const [, second] = tf.split(flags, 2, 2);
      const wanted = partsOf([12, 12], SMALL)[1]!.map((value) => (value > 100 ? 1 : 0));
      expect([...second!.dataSync()]).to.deep.equal(wanted);
      const [, cast] = tf.split(tf.cast(flags, 'float32'), 2, 2);
      expect([...cast!.dataSync()]).to.deep.equal(wanted);
    });
  });
});
