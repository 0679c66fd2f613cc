import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { RELAXED_SIMD_FLAG } from '../../../ops/wasm/module.js';
import '../../harness/backends/backends.js';
import { type ExactProduct, exactProduct } from '../../harness/ops/exactProduct.js';
import { multiply, productNumbers } from '../../harness/wasm/wasmProduct.js';
import {
  cuts,
  forAllVariants,
  longProducts,
  products,
} from '../../harness/wasm/wasmProductCases.js';
import { relaxedHere } from '../../harness/wasm/watchedMemory.js';

/** The first output that is off its bound; off at all where float32 holds whatever is added up. */
function firstOff(actual: Float32Array, exact: ExactProduct, exactly = false) {
  const { values, bounds, magnitudes } = exact;
  const i = [...actual].findIndex((y, at) => {
    const bound = exactly && magnitudes[at]! < 2 ** 24 ? 0 : bounds[at]!;
    return !(Math.abs(y - values[at]!) <= bound);
  });
  return i < 0 ? null : { i, y: actual[i], expected: values[i], bound: bounds[i] };
}

describe('WASM kernels of products', () => {
  before(async () => {
    await tf.setBackend('wasm');
  });
  afterEach(() => tf.env().set(RELAXED_SIMD_FLAG, true));

  for (const relaxed of [false, true]) {
    const kind = relaxed ? 'relaxed SIMD where there is any' : 'SIMD128';

    it(`${kind}: they stay within their tensors, however they are cut, and are right`, () => {
      tf.env().set(RELAXED_SIMD_FLAG, relaxed);
      const property = fc.property(
        products,
        cuts,
        fc.integer({ min: 0, max: 30 }),
        (given, at, atEnd) => {
          const numbers = productNumbers(given);
          const whole = multiply(given, numbers, []);
          expect(multiply(given, numbers, at, { atEnd })).to.deep.equal(whole);
          expect(firstOff(whole, exactProduct(given, numbers))).to.equal(null);
        },
      );
      fc.assert(property, { seed: 21, numRuns: 250 });
    });
  }

  const itRelaxed = (title: string, body: () => void) =>
    relaxedHere() === null ? it.skip(`SKIPPED: no relaxed SIMD: ${title}`) : it(title, body);

  itRelaxed('the kernels for codes give the same bits', () => {
    const property = fc.property(forAllVariants, ({ given, variant }) => {
      const numbers = productNumbers(given);
      const wide = multiply(given, numbers, [], { relaxed: null });
      expect(multiply(given, numbers, [0.4], { relaxed: variant })).to.deep.equal(wide);
    });
    fc.assert(property, { seed: 22, numRuns: 200 });
  });

  for (const relaxed of [undefined, null, 'pairs', 'signed', 'unsigned'] as const) {
    const run = typeof relaxed === 'string' ? itRelaxed : it;
    const kernel =
      relaxed === undefined ? "this engine's kernel" : `kernel ${relaxed ?? 'of 16 bits'}`;
    run(`${kernel}: long reductions of extreme codes are exact`, () => {
      for (const given of longProducts(relaxed)) {
        const numbers = productNumbers(given);
        const actual = multiply(given, numbers, [], { relaxed });
        const off = firstOff(actual, exactProduct(given, numbers), true);
        expect(off, JSON.stringify(given)).to.equal(null);
      }
    });
  }

  it('a token with a scale of NaN is NaN and no other is', () => {
    const property = fc.property(products, fc.nat(), (given, at) => {
      fc.pre(given.xBits > 0);
      const numbers = productNumbers(given);
      const { xScale } = numbers;
      const spoilt = at % xScale.length;
      xScale[spoilt] = Number.NaN;
      const actual = multiply(given, numbers, []);
      const row = Math.floor(spoilt / Math.ceil(given.k / given.xGroupSize));
      const wrong = [...actual].findIndex(
        (y, i) => Number.isNaN(y) !== (Math.floor(i / given.n) === row),
      );
      expect(wrong).to.equal(-1);
    });
    fc.assert(property, { seed: 23, numRuns: 60 });
  });

  it('a residual that is not finite spoils its sample and no other', () => {
    const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    const property = fc.property(products, fc.nat(), bad, (given, at, value) => {
      fc.pre(given.residual !== null && given.activation === 'none');
      const numbers = productNumbers(given);
      const exact = exactProduct(given, numbers);
      const spoilt = at % numbers.residual!.length;
      numbers.residual![spoilt] = value;
      const actual = multiply(given, numbers, []);
      const sample = Math.floor(spoilt / given.k);
      const size = given.tokens * given.n;
      const own = actual.subarray(sample * size, (sample + 1) * size);
      expect([...own].filter(Number.isFinite)).to.deep.equal([]);
      exact.values.forEach((v, i) => {
        if (Math.floor(i / size) === sample) actual[i] = v;
      });
      expect(firstOff(actual, exact)).to.equal(null);
    });
    fc.assert(property, { seed: 24, numRuns: 60 });
  });
});
