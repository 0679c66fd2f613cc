import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { addScatter } from '../../../src/calibrate/scatter.js';
import { addSample, emptySite, type SiteStats } from '../../../src/calibrate/siteStats.js';
import { sqnr } from '../../../src/math/decibels.js';
import { matmul } from '../../../src/math/matrix.js';
import { BRANCH_KINDS, type BranchKind } from '../../../src/quantize/branch.js';
import * as heart from '../../../src/quantize/hadanorm.js';
import { momentsFor } from '../../../src/quantize/hessian.js';
import { linearOutput, transformSamples } from '../../../src/quantize/measure.js';
import { METHODS } from '../../../src/quantize/methods.js';
import {
  effectiveWeights,
  quantizeLinear,
  restoredRows,
} from '../../../src/quantize/quantizeLinear.js';
import { samplesOf } from '../../../src/quantize/samples.js';
import type { WeightSettings } from '../../../src/quantize/settings.js';
import { branchRank, fitSiteBranch } from '../../../src/quantize/siteBranch.js';
import { makeTransform, transformedWeights } from '../../../src/quantize/transform.js';
import { rowsOf } from '../../harness/models/heart.js';
import { channelGroups, weightFormat } from '../../harness/numbers/formats.js';
import { normal } from '../../harness/numbers/random.js';

const [D, N, TOKENS, SAMPLES, RANK] = [32, 20, 16, 12, 4];
const W = normal(D * N, 77);
const ALL: readonly BranchKind[] = BRANCH_KINDS;

/** Samples of which most is along a few directions, with means that differ. */
function calibrated(hessian: boolean, d = D, tokens = TOKENS): SiteStats {
  const stats = emptySite(d, hessian);
  const keep = { samples: 100, tokensPerSample: tokens, means: 100 };
  const mixing = normal(6 * d, 3);
  for (let i = 0; i < SAMPLES; i++) {
    const large = matmul(normal(tokens * 6, 40 + i), mixing, tokens, 6, d);
    const mean = normal(d, 60 + i);
    const x = normal(tokens * d, i).map((v, at) => 0.3 * v + large[at]! + mean[at % d]!);
    const sum = addSample(stats, x, 0, tokens, { hash: i, timestep: null }, keep);
    const centered = x.map((v, at) => v - sum[at % d]!);
    if (stats.scatter !== null) addScatter(stats.scatter, centered, d);
  }
  return stats;
}

/** A linear beside a branch, weights in so many bits; activations likewise, or as they are. */
function subject(
  kind: BranchKind | null,
  bits: number,
  activationBits: number | null,
  gptq = true,
) {
  const stats = calibrated(true);
  const parts = { ...METHODS.hadanorm, center: 'dynamic', rotate: true } as const;
  const how = { blockSize: null, seed: 1, gptq: true, branched: true };
  const bare = makeTransform('test', parts, stats, [W], D, how);
  const weights = weightsOf(bits, gptq ? 'gptq' : 'nearest');
  const settings = [{ weights, lowRank: RANK }];
  const branch = kind === null ? null : { kind, rank: RANK };
  const beside = branch && fitSiteBranch(bare, branch, settings, stats, [W]);
  const t = { ...bare, branch: beside?.fitted.branch ?? null };
  const feedback = beside?.feedback ?? null;
  const linear = quantizeLinear(t, W, N, weights, gptq ? feedback : null, beside?.fitted ?? null);
  const samples = samplesOf(stats)!;
  const range = null;
  const quantizer =
    activationBits === null ? null : { format: channelGroups(activationBits, false, 8), range };
  const inputs = transformSamples(t, samples, quantizer);
  const exact = matmul(samples.rows, W, samples.count, D, N);
  const output = linearOutput(t, linear, inputs);
  return { bare, t, stats, linear, inputs, exact, output, sqnr: sqnr(exact, output), samples };
}

function weightsOf(bits: number, rounding: 'gptq' | 'nearest'): WeightSettings {
  const at8Bits = weightFormat(8, 8);
  return { format: weightFormat(bits, 8), at8Bits, clipping: 'search', rounding };
}

describe('The branch beside the codes', () => {
  before(() => tf.setBackend('cpu'));

  for (const kind of ALL) {
    it(`${kind}: with fine weights the outputs are those of the linear`, () => {
      expect(subject(kind, 8, null).sqnr).to.be.above(50);
    });

    it(`${kind}: with 4 bits less is lost than without, and in the activations too`, () => {
      expect(subject(kind, 4, null).sqnr).to.be.above(subject(null, 4, null, false).sqnr + 3);
      const few = kind === 'subtracted' ? 3 : -0.5;
      expect(subject(kind, 8, 4).sqnr).to.be.above(subject(null, 8, 4, false).sqnr + few);
    });

    it(`${kind}: is equation (8)`, () => {
      const { t, bare, linear, inputs, output, stats, samples } = subject(kind, 4, null);
      const { vectors, subtract, rank } = t.branch!;
      const v = rowsOf(vectors.values, rank);
      const plain = transformSamples(bare, samples, null);
      const tokens = heart.splitAlong(rowsOf(plain.transformed, D), v, subtract);
      const means = heart.splitAlong(rowsOf(plain.residual, D), v, subtract);
      near(inputs.quantized, tokens.left.flat());
      near(inputs.residual, means.left.flat());
      near(inputs.along, tokens.along.flat());
      near(inputs.residualAlong, means.along.flat());
      const moments = momentsFor(bare, stats)!;
      const trace = rowsOf(moments, D).reduce((sum, row, i) => sum + row[i]!, 0);
      const damping = (1e-3 * trace) / D;
      const h = rowsOf(moments, D).map((row, i) => row.map((m, j) => (i === j ? m + damping : m)));
      const w = rowsOf(transformedWeights(bare, W, N), N);
      const right = heart.branchWeights(h, v, w, rowsOf(linear.weights(), N), subtract);
      const stored = restoredRows(linear.branch!, rank, N);
      // 8 bits of each row's largest; the first two finer
      right.forEach((row, i) => {
        const reach = Math.max(...row.map(Math.abs));
        const step = (i < 2 ? 1 / 127 ** 2 / 4 : 1 / 127 / 2) * reach;
        const off = Math.max(...row.map((value, j) => Math.abs(value - stored[i * N + j]!)));
        expect(off, `row ${i}`).to.be.at.most(1.05 * step + 1e-4 * reach);
      });
      const weights = linear.weights();
      const y = tokens.left.map((row, i) =>
        Array.from({ length: N }, (_, j) => {
          let sum = linear.meanProduct![j]!;
          row.forEach((value, k) => {
            sum += (value + means.left[i]![k]!) * weights[k * N + j]!;
          });
          tokens.along[i]!.forEach((value, k) => {
            sum += (value + means.along[i]![k]!) * stored[k * N + j]!;
          });
          return sum;
        }),
      );
      near(output, y.flat());
    });
  }

  for (const kind of ALL) {
    it(`${kind}: may take every direction, and GPTQ rounds what is left of nothing`, () => {
      for (const d of [2, 3, 5, 32]) {
        const stats = calibrated(true, d, 12);
        const w = normal(d * N, 5);
        const parts = { ...METHODS.hadanorm, center: 'none', rotate: false } as const;
        const how = { blockSize: null, seed: 1, gptq: true, branched: true };
        const bare = makeTransform('test', parts, stats, [w], d, how);
        const settings = [{ weights: weightsOf(4, 'gptq'), lowRank: d }];
        const { fitted, feedback } = fitSiteBranch(bare, { kind, rank: d }, settings, stats, [w]);
        expect(fitted.gain.every(Number.isFinite), `${d} channels`).to.equal(true);
        expect(feedback!.upper.values.every(Number.isFinite), `${d} channels`).to.equal(true);
      }
    });
  }

  it('subtracted: nothing that has codes goes along it', () => {
    const { t, inputs } = subject('subtracted', 4, null);
    const left = matmul(inputs.quantized, t.branch!.vectors.values, inputs.samples.count, D, RANK);
    const rms = (values: Float32Array) =>
      Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
    expect(rms(left) / rms(inputs.along)).to.be.below(0.02);
  });

  it('the weights that what goes along has are the best there are', () => {
    const { t, linear, inputs, exact } = subject('activations', 3, null);
    const off = (change: number, at: number) => {
      const rows = restoredRows(linear.branch!, RANK, N).slice();
      rows[at]! += change;
      const branch = { rows: { values: rows, quantization: undefined }, scale: null };
      return sqnr(exact, linearOutput(t, { ...linear, branch }, inputs));
    };
    for (const at of [0, 7, 3 * N + 2]) {
      for (const change of [-0.1, 0.1]) expect(off(change, at)).to.be.below(off(0, at) + 1e-3);
    }
  });

  it('what never came while calibrating is not lost along it', () => {
    // all that came was in 5 of 32 directions
    const still = emptySite(D, true);
    const x = matmul(normal(TOKENS * 5, 8), normal(5 * D, 9), TOKENS, 5, D);
    const keep = { samples: 1, tokensPerSample: TOKENS, means: 1 };
    const mean = addSample(still, x, 0, TOKENS, { hash: 1, timestep: null }, keep);
    const centered = x.map((v, at) => v - mean[at % D]!);
    addScatter(still.scatter!, centered, D);
    const parts = { ...METHODS.rtn, center: 'dynamic', rotate: false, meanRank: 0 } as const;
    const how = { blockSize: null, seed: 1, gptq: true, branched: true };
    const bare = makeTransform('test', parts, still, [W], D, how);
    const settings = [{ weights: weightsOf(4, 'gptq'), lowRank: D }];
    const branch = { kind: 'errors', rank: D } as const;
    const { fitted, feedback } = fitSiteBranch(bare, branch, settings, still, [W]);
    const t = { ...bare, branch: fitted.branch };
    const linear = quantizeLinear(t, W, N, weightsOf(4, 'gptq'), feedback!, fitted);
    const others = normal(50 * D, 99);
    const whole = effectiveWeights(t, linear);
    const [exact, got] = [W, whole].map((w) => matmul(others, w, 50, D, N));
    expect(sqnr(exact!, got!)).to.be.above(25);
  });

  it("rank 'auto' takes 18 % of the bytes of the site's weights at most, and 32 directions", () => {
    const settings = [{ weights: weightsOf(4, 'gptq'), lowRank: 'auto' }] as const;
    for (const [d, widths] of [
      [192, [576]],
      [192, [192]],
      [256, [256, 256, 256]],
      [1152, [4608]],
      [8, [8]],
    ] as const) {
      const all = widths.map(() => settings[0]);
      // as much as there is room for where next to nothing is left of the signal
      const rank = branchRank(all, d, widths, () => 0);
      const n = widths.reduce((sum, width) => sum + width, 0);
      // groups of 8: half a byte a code, two for a scale
      const weights = (d * n) / 2 + (2 * d * n) / 8;
      const bytes = (count: number) => count * d + (count + Math.min(count, 2)) * (n + 4);
      expect(bytes(rank), `${d} × ${widths}`).to.be.at.most(0.18 * weights);
      if (rank < 32) expect(bytes(rank + 1)).to.be.above(0.18 * weights - 2 * 4 * 2);
      expect(rank).to.be.at.most(32);
    }
    expect(branchRank([{ ...settings[0], lowRank: 1000 }], 192, [192], never)).to.equal(192);
  });

  it("rank 'auto' is higher where more is lost: one more for a decibel", () => {
    const settings = [{ weights: weightsOf(4, 'gptq'), lowRank: 'auto' }] as const;
    const rank = (sqnr: number | null) => branchRank(settings, 1152, [1152], () => sqnr);
    expect([null, 32, 31, 26.4, 20, 0].map(rank)).to.deep.equal([16, 16, 17, 22, 28, 32]);
    expect([40, 47.4, 60, Number.POSITIVE_INFINITY].map(rank)).to.deep.equal([8, 1, 0, 0]);
    // outputs that are not numbers lose all there is
    expect(rank(Number.NaN)).to.equal(32);
  });

  it('without second moments it is the directions of the weights', () => {
    const stats = calibrated(false);
    const parts = { ...METHODS.hadanorm, center: 'dynamic', rotate: true } as const;
    const how = { blockSize: null, seed: 1, gptq: false, branched: true };
    const bare = makeTransform('test', parts, stats, [W], D, how);
    const settings = [{ weights: weightsOf(4, 'gptq'), lowRank: RANK }];
    const branch = { kind: 'activations', rank: RANK } as const;
    const { fitted, feedback } = fitSiteBranch(bare, branch, settings, stats, [W]);
    expect([fitted.branch.kind, feedback]).to.deep.equal(['weights', undefined]);
  });
});

function never(): never {
  throw new Error('asked for what is given');
}

function near(values: ArrayLike<number>, wanted: readonly number[]): void {
  expect(values.length).to.equal(wanted.length);
  const reach = Math.max(...wanted.map(Math.abs));
  const far = wanted.findIndex((v, i) => Math.abs(v - values[i]!) > 2e-5 * reach);
  expect(far, `${values[far]} for ${wanted[far]}`).to.equal(-1);
}
