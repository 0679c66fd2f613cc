import { expect } from 'chai';
import { storableScale } from '../../../ops/numerics/formats.js';
import { addSample, emptySite, type SiteStats } from '../../../src/calibrate/siteStats.js';
import { METHODS, type Method } from '../../../src/index.js';
import { randomSigns } from '../../../src/quantize/channelScale.js';
import * as heart from '../../../src/quantize/hadanorm.js';
import { linearOutput, measure, transformSamples } from '../../../src/quantize/measure.js';
import { quantizeLinear } from '../../../src/quantize/quantizeLinear.js';
import { samplesOf } from '../../../src/quantize/samples.js';
import type { WeightSettings } from '../../../src/quantize/settings.js';
import { makeTransform, transformedWeights } from '../../../src/quantize/transform.js';
import type { QuantizedWeights } from '../../../src/quantize/uniform.js';
import {
  expectMatrix,
  expectNearest,
  expectStoredProduct,
  groupsOf,
  outputAndBound,
  rowsOf,
  storedProduct,
  transformBound,
  transformOf,
} from '../../harness/models/heart.js';
import { EPS } from '../../harness/numbers/compare.js';
import { channelGroups, weightFormat } from '../../harness/numbers/formats.js';
import { normal } from '../../harness/numbers/random.js';

const [D, N, TOKENS, SAMPLES, SEED] = [24, 10, 7, 12, 5];

/** Bits of x and groups of both; channels that H mixes. */
const SETTINGS = [
  { bits: 8, groupSize: D, blockSize: null },
  { bits: 4, groupSize: 8, blockSize: 12 },
  { bits: 3, groupSize: 7, blockSize: 8 },
] as const;

/** Samples whose channels differ in size, and whose means differ from sample to sample. */
function calibrated(seed: number): SiteStats {
  const stats = emptySite(D, true);
  const size = [...normal(D, seed)].map((v) => 2 ** v);
  const keep = { samples: 100, tokensPerSample: TOKENS, means: 100 };
  for (let i = 0; i < SAMPLES; i++) {
    const shift = normal(D, seed + 100 + i, 1);
    const values = normal(TOKENS * D, seed + i);
    const x = values.map((v, at) => size[at % D]! * (v + shift[at % D]!));
    addSample(stats, x, 0, TOKENS, { hash: i, timestep: null }, keep);
  }
  return stats;
}

/** A linear quantized by src/quantize, and what the equations make of the same. */
function subject(method: Method, { bits, groupSize, blockSize }: (typeof SETTINGS)[number]) {
  const { rotate, center, ...open } = METHODS[method];
  const parts = {
    ...open,
    center: center === 'auto' ? 'dynamic' : center,
    rotate: rotate !== false,
  } as const;
  const stats = calibrated(bits);
  const flat = normal(D * N, 9);
  const w = rowsOf(flat, N);
  const transform = makeTransform('test', parts, stats, [flat], D, {
    ...{ blockSize, seed: SEED, gptq: false, branched: false },
  });
  const t = transformOf(transform);
  const samples = samplesOf(stats)!;
  const x = rowsOf(samples.rows, D);
  const dynamic = parts.center === 'dynamic';
  const mus = x.map((_, row) => {
    const own = x.filter((_, other) => samples.sampleOf[other] === samples.sampleOf[row]);
    return dynamic ? heart.tokenMean(own) : t.mean;
  });
  const format = channelGroups(bits, false, groupSize);
  const weights: WeightSettings = {
    ...{ format: weightFormat(4, groupSize), at8Bits: weightFormat(8, groupSize) },
    ...{ clipping: 'none', rounding: 'nearest' },
  };
  return {
    ...{ parts, stats, flat, w, transform, t, x, dynamic, mus, groupSize, format },
    inputs: transformSamples(transform, samples, { format, range: null }),
    linear: quantizeLinear(transform, flat, N, weights, null, null),
    exact: x.map((row, i) => heart.transform([row], mus[i]!, t)[0]!),
    split: mus.map((mu) => heart.splitMean(mu, t)),
    bound: transformBound(x, TOKENS, t),
  };
}

type Subject = ReturnType<typeof subject>;

/** The longest column of diag(σ) W: H leaves lengths as they are. */
function longestColumn(w: heart.Matrix, sigma: heart.Vector): number {
  return Math.max(...w[0]!.map((_, j) => Math.hypot(...w.map((row, k) => row[j]! * sigma[k]!))));
}

describe('The quantizer computes what the equations say', () => {
  for (const method of Object.keys(METHODS) as Method[]) {
    for (const setting of SETTINGS) {
      describe(`${method}, activations ${JSON.stringify(setting)}`, () => {
        let s: Subject;
        before(() => {
          s = subject(method, setting);
        });

        it('μ̄ and σ, to half precision', () => {
          const { t, parts, stats, w, x, transform } = s;
          const half = 2 ** -11 * (1 + 2 ** -10);
          if (transform.mean !== null) {
            const mean = heart.tokenMean(x);
            t.mean.forEach((v, c) => {
              expect(Math.abs(v - mean[c]!)).to.be.at.most(half * Math.abs(mean[c]!) + 2 ** -24);
            });
          }
          const signs =
            parts.rotate && parts.signs ? [...randomSigns(D, SEED)] : x[0]!.map(() => 1);
          if (parts.scale !== 'balanced') return expectSigns(t.sigma, signs);
          const std = [...stats.total.within].map((v) => Math.sqrt(v / stats.total.tokens));
          const sigma = heart.balancedScale(std, w, signs);
          const ratios = t.sigma.map((v, c) => v / sigma[c]!);
          expect(Math.max(...ratios) / Math.min(...ratios)).to.be.within(1, (1 + half) ** 2);
          expect(Math.min(...ratios)).to.be.above(0);
        });

        it("X' and W'", () => {
          const { inputs, exact, bound, transform, t, w, flat } = s;
          expectMatrix(rowsOf(inputs.transformed, D), exact, bound);
          const made = rowsOf(transformedWeights(transform, flat, N), N);
          const most = EPS * (D + 8) * longestColumn(w, t.sigma);
          expectMatrix(made, heart.transformedWeights(w, t), most);
        });

        it("Q(X') and Q(W')", () => {
          const { inputs, exact, bound, format, groupSize, linear, transform, flat } = s;
          const ties = rowsOf(inputs.quantized, D).flatMap((row, i) => {
            const groups = groupsOf(exact[i]!, groupSize);
            return groupsOf(row, groupSize).map((values, g) =>
              expectNearest({ values }, groups[g]!, format, bound),
            );
          });
          const most = 1 + inputs.quantized.length / 1000;
          expect(ties.reduce((sum, count) => sum + count)).to.be.at.most(most);
          const made = rowsOf(transformedWeights(transform, flat, N), N);
          expectWeights(linear.packed!, made);
        });

        it('c, δ and what goes along B', () => {
          const { dynamic, inputs, split, bound, transform, t, w, linear } = s;
          if (!dynamic) {
            expect([inputs.residual.length, inputs.coefficients.length]).to.deep.equal([0, 0]);
            return;
          }
          expectMatrix(
            rowsOf(inputs.residual, D),
            split.map(({ residual }) => residual),
            4 * bound,
          );
          const coefficients = rowsOf(inputs.coefficients, transform.rank);
          expectMatrix(
            coefficients,
            split.map((row) => row.coefficients),
            4 * bound,
          );
          expectStoredProduct(linear, transform.rank, heart.basisProduct(t, w));
        });

        it('Y, and its SQNR', () => {
          const { transform, linear, inputs, flat, x, w } = s;
          const y = rowsOf(linearOutput(transform, linear, inputs), N);
          y.forEach((row, i) => {
            const { y: expected, bound } = outputAndBound(termsOf(s, i));
            expectMatrix([row], expected, bound);
          });
          const exact = x.map((row) =>
            w[0]!.map((_, j) => row.reduce((sum, v, k) => sum + v * w[k]![j]!, 0)),
          );
          const energy = (m: heart.Matrix) => m.flat().reduce((sum, v) => sum + v * v, 0);
          const noise = energy(exact.map((row, i) => row.map((v, j) => v - y[i]![j]!)));
          const flatExact = Float32Array.from(exact.flat());
          const { output } = measure(transform, linear, inputs, flat, flatExact);
          expect(output).to.be.closeTo(10 * Math.log10(energy(exact) / noise), 0.01);
        });
      });
    }
  }
});

function expectSigns(sigma: heart.Vector, signs: heart.Vector): void {
  expect(sigma.map(Math.sign)).to.deep.equal(signs);
}

/** Scales are the largest magnitude over the largest code, and codes the nearest to W' by them. */
function expectWeights({ codes, scale, format }: QuantizedWeights, w: heart.Matrix): void {
  const { groupSize } = format.granularity;
  for (let j = 0; j < N; j++) {
    const column = w.map((row) => row[j]!);
    groupsOf(column, groupSize).forEach((values, g) => {
      const s = scale[g * N + j]!;
      expect(s).to.equal(storableScale(heart.quantize(values, format).scale));
      // by the stored scale: the rounded largest magnitude may be beyond the largest code
      values.forEach((v, k) => {
        const code = codes[(g * groupSize + k) * N + j]!;
        const most = Math.abs(code) === 7 || code === -8 ? 7 * 2 ** -11 + 0.5 : 0.5;
        expect(Math.abs(v / s - code)).to.be.at.most(most);
      });
    });
  }
}

/** What (7) adds up for row i, each as the quantizer has it: they are compared one by one above. */
function termsOf(s: Subject, i: number): heart.Terms {
  const { inputs, linear, transform, dynamic, t, w } = s;
  const { rank, mean } = transform;
  const nothing = new Array<number>(N).fill(0);
  const sums = w[0]!.map((_, j) => t.mean.reduce((sum, v, k) => sum + v * w[k]![j]!, 0));
  return {
    x: [[...inputs.quantized.subarray(i * D, (i + 1) * D)]],
    w: rowsOf(linear.weights(), N),
    meanProduct: mean === null ? nothing : sums,
    coefficients: [...inputs.coefficients.subarray(i * rank, (i + 1) * rank)],
    basisProduct: storedProduct(linear, rank),
    residual: dynamic
      ? [...inputs.residual.subarray(i * D, (i + 1) * D)]
      : new Array<number>(D).fill(0),
    bias: nothing,
  };
}
