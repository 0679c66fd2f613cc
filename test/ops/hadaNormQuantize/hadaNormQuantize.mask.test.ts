import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { hadaNormQuantizeReference } from '../../../ops/hadaNormQuantize/reference.js';
import {
  type HadaNormQuantizeOptions,
  hadaNormQuantize,
  InvalidArgumentError,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import { channelGroups } from '../../harness/numbers/formats.js';
import { normal } from '../../harness/numbers/random.js';
import { dequantized } from '../../harness/ops/quantizedActivations.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const FORMS: readonly (HadaNormQuantizeOptions & { d: number; rank?: number })[] = [
  { d: 12 },
  { d: 24, blockSize: 0, bits: 4, groupSize: 8 },
  { d: 33, blockSize: 1, symmetric: true },
  { d: 384, rank: 3, bits: 4, groupSize: 64 },
  { d: 8, rank: 2, range: { min: -2, max: 2.5 } },
];

/** x [3, tokens, d], of which 1, all but one and all tokens count. */
function given(tokens: number, d: number, rank = 0) {
  const counts = [1, Math.max(tokens - 1, 1), tokens];
  const mask = counts.flatMap((count) => Array.from({ length: tokens }, (_, t) => +(t < count)));
  const x = normal(3 * tokens * d, d + tokens, 0.7, 1.5);
  const scale = normal(d, d).map((v) => 0.5 + Math.abs(v));
  const mean = normal(d, d + 1, 0.5);
  const basis = rank === 0 ? undefined : normal(rank * d, d + 2, 0, 1 / Math.sqrt(d));
  return { x, mask, scale, mean, basis };
}

describeOnBackends('HadaNormQuantize with a mask', () => {
  for (const { d, rank = 0, ...options } of FORMS) {
    for (const tokens of [1, 3, 4, 9]) {
      const numbers = given(tokens, d, rank);
      const shape: [number, number, number] = [3, tokens, d];
      const run = (x: tf.Tensor, mask: HadaNormQuantizeOptions['mask']) => {
        const { scale, mean, basis } = numbers;
        const whole = basis === undefined ? {} : { basis: tf.tensor2d(basis, [rank, d]) };
        const all = { ...options, scale, mean, ...whole };
        const result = hadaNormQuantize(x, mask === undefined ? all : { ...all, mask });
        const { quantized, residual, coefficients } = result;
        return { y: dequantized(quantized), residual: residual!, coefficients };
      };

      it(`the means of ${tokens} × ${d} are of the tokens that count, and rotated as ever`, () => {
        expectNoLeak(() =>
          tf.tidy(() => {
            const mask = tf.tensor2d(numbers.mask, [3, tokens], 'bool');
            const { y, residual, coefficients } = run(tf.tensor3d(numbers.x, shape), mask);
            const { bits = 8, symmetric = false, groupSize = d, range = null } = options;
            const { blockSize = d } = options;
            const exact = hadaNormQuantizeReference(
              { ...numbers, basis: numbers.basis ?? [] },
              tokens,
              d,
              {
                format: channelGroups(bits, symmetric, groupSize),
                ...{ range, center: 'dynamic', blockSize },
              },
            );
            expectWithin(residual.dataSync(), exact.residual, 2e-4);
            expectWithin(coefficients?.dataSync() ?? [], exact.coefficients, 2e-4);
            if (range !== null) return;
            y.dataSync().forEach((value, i) => {
              const step = exact.quantized.scale[i]!;
              expect(value).to.be.closeTo(exact.transformed[i]!, step * 1.01 + 1e-4);
            });
          }),
        );
      });

      it(`masks of ${tokens} × ${d}: all changes no bit, junk behind one reaches nobody`, () => {
        tf.tidy(() => {
          const x = tf.tensor3d(numbers.x, shape);
          const values = (of: ReturnType<typeof run>) =>
            [of.y, of.residual, of.coefficients].map((tensor) => tensor?.dataSync());
          expect(values(run(x, tf.ones([3, tokens])))).to.deep.equal(values(run(x, undefined)));
          const mask = tf.tensor2d(numbers.mask, [3, tokens]);
          const hidden = tf.expandDims(tf.equal(mask, 0), -1);
          const junk = run(tf.where(hidden, Number.NaN, x), mask);
          const plain = run(x, mask);
          expect(junk.residual.dataSync()).to.deep.equal(plain.residual.dataSync());
          const seen = (y: tf.Tensor) => tf.where(hidden, 0, y).dataSync();
          expect(seen(junk.y)).to.deep.equal(seen(plain.y));
        });
      });
    }
  }

  it('a mask is refused where there is no mean of tokens', () => {
    const x = tf.zeros([2, 3, 4]);
    for (const center of ['none', 'static'] as const) {
      const mean = center === 'static' ? { mean: [0, 0, 0, 0] } : {};
      const call = () => void hadaNormQuantize(x, { center, ...mean, mask: tf.ones([2, 3]) });
      const message = `mask must be absent for center '${center}', got a mask.`;
      expect(() => tf.tidy(call)).to.throw(InvalidArgumentError, message);
    }
    x.dispose();
  });
});
