import { expect } from 'chai';
import { HadaNormError } from '../../../ops/numerics/errors.js';
import { GPTQ_DAMPING, gptqFeedback } from '../../../src/quantize/feedback.js';
import { quantizeGptq } from '../../../src/quantize/gptq.js';
import { ScaleSearch } from '../../../src/quantize/scaleSearch.js';
import {
  dequantized,
  type QuantizedWeights,
  quantizeNearest,
  type WeightQuantizer,
} from '../../../src/quantize/uniform.js';
import { gptqReference, weightedError } from '../../harness/models/gptqReference.js';
import { weightQuantizer } from '../../harness/numbers/formats.js';
import { normal } from '../../harness/numbers/random.js';

/** Xᵀ X of `rows` tokens with a few strong directions in common. */
function correlated(d: number, seed: number, rows = 4 * d, strong = 4): Float64Array {
  const x = normal(rows * d, seed, 0, 0.5);
  const along = normal(rows * strong, seed + 1);
  const directions = normal(strong * d, seed + 2);
  const h = new Float64Array(d * d);
  for (let t = 0; t < rows; t++) {
    const row = Float64Array.from({ length: d }, (_, j) => {
      let v = x[t * d + j]!;
      for (let r = 0; r < strong; r++) v += along[t * strong + r]! * directions[r * d + j]!;
      return v;
    });
    for (let i = 0; i < d; i++) {
      for (let j = 0; j < d; j++) h[i * d + j] = h[i * d + j]! + row[i]! * row[j]!;
    }
  }
  return h;
}

function identity(d: number): Float64Array {
  return Float64Array.from({ length: d * d }, (_, i) => (i % (d + 1) === 0 ? 1 : 0));
}

function gptq(w: Float32Array, d: number, n: number, h: Float64Array, quantizer: WeightQuantizer) {
  return quantizeGptq(w, d, n, quantizer, gptqFeedback(h.slice(), d));
}

describe('GPTQ', () => {
  for (const [d, groupSize] of [
    [24, 8],
    [200, 64],
    [130, 130],
    [300, 1],
  ] as const) {
    it(`with H = I it is rounding to nearest, d ${d}, groups of ${groupSize}`, () => {
      const w = normal(d * 5, d);
      for (const bits of [2, 4, 8]) {
        const quantizer = weightQuantizer(bits, groupSize, 'search');
        expect(gptq(w, d, 5, identity(d), quantizer)).to.deep.equal(
          quantizeNearest(w, d, 5, quantizer),
        );
      }
    });
  }

  // d and groups against blocks of 128: within one, across, larger than one, larger than d
  for (const [d, groupSize, n] of [
    [12, 12, 6],
    [12, 4, 6],
    [30, 7, 4],
    [64, 64, 3],
    [150, 64, 3],
    [150, 200, 3],
    [270, 100, 2],
    [270, 130, 2],
    [261, 261, 2],
  ] as const) {
    for (const bits of [3, 4, 8]) {
      it(`is Frantar et al. in float64: [${d}, ${n}], groups of ${groupSize}, ${bits} bits`, () => {
        const quantizer = weightQuantizer(bits, groupSize, 'search');
        const h = correlated(d, d + bits);
        const w = normal(d * n, 3 * d + bits);
        const made = gptq(w, d, n, h, quantizer);
        const search = new ScaleSearch(quantizer);
        const exact = gptqReference(w, d, n, h, {
          bits,
          groupSize: made.format.granularity.groupSize,
          damping: GPTQ_DAMPING,
          chooseScale: (values) => search.best(values, values.length),
        });
        for (let j = 0; j < n; j++) {
          // up to a tie: past one, the column goes its own way
          const column = Array.from({ length: d }, (_, k) => k * n + j);
          const first = column.find((at) => made.codes[at] !== exact.codes[at]);
          if (first === undefined) continue;
          const quotient = exact.quotients[first]!;
          const fromTie = Math.abs(Math.abs(quotient - Math.trunc(quotient)) - 0.5);
          expect(fromTie, `quotient ${quotient} at ${first}`).to.be.below(1e-4);
        }
        const equal = made.codes.filter((code, at) => code === exact.codes[at]).length;
        expect(equal / made.codes.length).to.be.at.least(0.9);
      });
    }
  }

  for (const bits of [2, 3, 4, 6, 8]) {
    it(`${bits} bits: it beats rounding to nearest where inputs are correlated`, () => {
      const [d, n, cases] = [40, 6, 40];
      const quantizer = weightQuantizer(bits, 16, 'search');
      const ratios = Array.from({ length: cases }, (_, seed) => {
        const h = correlated(d, 10 * seed);
        const w = normal(d * n, 1000 + seed);
        const error = (result: QuantizedWeights) => weightedError(w, dequantized(result), h, d, n);
        return error(gptq(w, d, n, h, quantizer)) / error(quantizeNearest(w, d, n, quantizer));
      });
      const worse = ratios.filter((ratio) => ratio >= 1).length;
      expect(worse / cases, 'share of cases in which it is worse').to.be.at.most(0.05);
      const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / cases);
      expect(mean, 'mean ratio of H-weighted errors').to.be.below(0.5);
    });
  }

  it('codes stay in range and scales are as many as groups', () => {
    const w = normal(150 * 4, 2, 0, 3);
    const quantizer = weightQuantizer(3, 64, 'search');
    const { codes, scale, format } = gptq(w, 150, 4, correlated(150, 1), quantizer);
    expect([scale.length, format.granularity.groupSize]).to.deep.equal([3 * 4, 64]);
    expect(codes.every((code) => code >= -4 && code <= 3)).to.equal(true);
    expect(scale.every((s) => Number.isFinite(s) && s !== 0)).to.equal(true);
  });

  for (const [what, make] of [
    ['of rank 3', (d: number) => correlated(d, 5, 3, 1)],
    ['of zeros', (d: number) => new Float64Array(d * d)],
    ['of ones', (d: number) => new Float64Array(d * d).fill(1)],
    [
      'with a channel that is always 0',
      (d: number) =>
        correlated(d, 6).map((v, i) => (i % d === 4 || Math.floor(i / d) === 4 ? 0 : v)),
    ],
    ['of magnitude 1e-30', (d: number) => correlated(d, 7).map((v) => v * 1e-30)],
    ['of magnitude 1e30', (d: number) => correlated(d, 7).map((v) => v * 1e30)],
    [
      'that rounding made indefinite',
      (d: number) => correlated(d, 8, 3, 1).map((v, i) => v - (i % (d + 1) === 0 ? 0.05 : 0)),
    ],
  ] as const) {
    it(`a Hessian ${what} is damped until it can be factored`, () => {
      const [d, n] = [20, 4];
      const h = make(d);
      const w = normal(d * n, 9);
      const quantizer = weightQuantizer(4, 8, 'search');
      const made = gptq(w, d, n, h, quantizer);
      const worst = dequantized(made).reduce((a, v, i) => Math.max(a, Math.abs(v - w[i]!)), 0);
      expect(worst, 'largest error').to.be.below(3);
      const error = (result: QuantizedWeights) => weightedError(w, dequantized(result), h, d, n);
      const nearest = error(quantizeNearest(w, d, n, quantizer));
      expect(error(made)).to.be.at.most(Math.max(nearest, 0) * (1 + 1e-9) + 1e-9 * h[0]!);
    });
  }

  it('a Hessian with NaN or Inf gets a typed error', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const at of [0, 6, 1]) {
        const h = correlated(5, 1);
        h[at] = bad;
        // symmetric, as the type says
        h[(at % 5) * 5 + Math.floor(at / 5)] = bad;
        expect(() => gptqFeedback(h, 5), `${bad} at ${at}`).to.throw(
          HadaNormError,
          'gptq: the Hessian holds NaN or Inf. Check the calibration data.',
        );
      }
    }
  });

  it('weights with NaN or Inf get a typed error', () => {
    const w = normal(20, 1);
    w[19] = Number.NaN;
    const quantizer = weightQuantizer(4, 5, 'search');
    expect(() => gptq(w, 5, 4, correlated(5, 1), quantizer)).to.throw(
      HadaNormError,
      'the weights hold NaN at [4, 3]',
    );
  });
});
