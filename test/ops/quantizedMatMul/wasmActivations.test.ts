import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { Activation } from '../../../ops/quantizedMatMul/contract.js';
import { activationReference } from '../../../ops/quantizedMatMul/reference.js';
import { RELAXED_SIMD_FLAG } from '../../../ops/wasm/module.js';
import { quantizedMatMul } from '../../../src/index.js';
import '../../harness/backends/backends.js';
import { maxError } from '../../harness/numbers/compare.js';
import { ACTIVATION_ERRORS, FLUSHED } from '../../harness/ops/exactProduct.js';

/** Where the functions bend, closely. */
const NEAR = Float32Array.from({ length: 50_001 }, (_, i) => (i - 25_000) / 1750);

/** Every exponent of float32, both signs, denormals too; the mantissas differ. */
const ALL = new Float32Array(
  Uint32Array.from({ length: 65_536 }, (_, i) => i * 65_521).buffer,
).filter(Number.isFinite);

/** Relative to the result. */
const SILU_ERROR = 2.4e-7;

describe('Activations of the WASM kernels', () => {
  before(async () => {
    await tf.setBackend('wasm');
  });
  afterEach(() => tf.env().set(RELAXED_SIMD_FLAG, true));

  for (const relaxed of [false, true]) {
    const kind = relaxed ? 'relaxed SIMD where there is any' : 'SIMD128';
    for (const activation of ['gelu', 'geluTanh', 'silu', 'relu'] as const) {
      it(`${activation}, ${kind}: within ${ACTIVATION_ERRORS[activation]} |x|`, () => {
        tf.env().set(RELAXED_SIMD_FLAG, relaxed);
        for (const xs of [NEAR, ALL]) {
          const error = ACTIVATION_ERRORS[activation];
          expectErrors(xs, activation, (x) => error * Math.abs(x) + FLUSHED);
        }
      });

      it(`${activation}, ${kind}: exactly 0 far below 0, its argument far above`, () => {
        tf.env().set(RELAXED_SIMD_FLAG, relaxed);
        const far = ALL.filter((x) => Math.abs(x) > 87);
        expect(far.length).to.be.above(10_000);
        const results = activate(far, activation);
        const expected = far.map((x) => Math.max(x, 0));
        expect(maxError(results, expected)).to.equal(0);
      });

      it(`${activation}, ${kind}: infinities and NaN as the definition has them`, () => {
        tf.env().set(RELAXED_SIMD_FLAG, relaxed);
        const odd = Float32Array.of(0, Infinity, -Infinity, Number.NaN);
        const expected = odd.map((x) => activationReference(x, activation));
        expect(activate(odd, activation)).to.deep.equal(expected);
      });
    }

    it(`silu, ${kind}: within ${SILU_ERROR} of its result down to where e^x is taken for 0`, () => {
      tf.env().set(RELAXED_SIMD_FLAG, relaxed);
      const xs = [...NEAR, ...ALL].filter((x) => x >= -86.5);
      expectErrors(Float32Array.from(xs), 'silu', (_, y) => SILU_ERROR * Math.abs(y) + 2 ** -149);
    });
  }
});

/** f(x · 1 + 0): a product by a matrix of ones, whose columns are all the same. */
function activate(xs: Float32Array, activation: Activation): Float32Array {
  const columns = 9;
  return tf.tidy(() => {
    const codes = tf.ones<tf.Rank.R2>([1, columns]);
    const weights = { codes, bits: 32, groupSize: 1, shape: [1, columns] } as const;
    const y = quantizedMatMul(tf.tensor2d(xs, [xs.length, 1]), weights, { activation });
    const spread = tf.sub(y, y.slice([0, 0], [-1, 1])).dataSync();
    expect(
      spread.some((v) => v !== 0 && !Number.isNaN(v)),
      'columns differ',
    ).to.equal(false);
    return y.slice([0, columns - 1], [-1, 1]).dataSync<'float32'>();
  });
}

function expectErrors(
  xs: Float32Array,
  activation: Activation,
  boundOf: (x: number, exact: number) => number,
): void {
  const results = activate(xs, activation);
  const exact = Array.from(xs, (x) => activationReference(x, activation));
  const off = results.findIndex((y, i) => !(Math.abs(y - exact[i]!) <= boundOf(xs[i]!, exact[i]!)));
  expect(off < 0 ? null : [xs[off], results[off], exact[off]]).to.equal(null);
}
