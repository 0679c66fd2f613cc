import { expect } from 'chai';
import { FLOAT32 } from '../../../ops/numerics/formats.js';
import { addSample, emptySite, type SiteStats } from '../../../src/calibrate/siteStats.js';
import { sqnr } from '../../../src/math/decibels.js';
import { matmul } from '../../../src/math/matrix.js';
import { crossFitOf, crossFittedOutput } from '../../../src/quantize/crossFit.js';
import { linearOutput, transformSamples } from '../../../src/quantize/measure.js';
import { METHODS, type Parts } from '../../../src/quantize/methods.js';
import { quantizeLinear } from '../../../src/quantize/quantizeLinear.js';
import { samplesOf } from '../../../src/quantize/samples.js';
import { makeTransform } from '../../../src/quantize/transform.js';
import { weightFormat } from '../../harness/numbers/formats.js';
import { normal } from '../../harness/numbers/random.js';

const [D, N, TOKENS] = [24, 10, 8];
const W = normal(D * N, 3);

/** Samples whose means differ in every direction, all of them kept, of every other one the mean. */
function calibrated(samples: number, seed: number): SiteStats {
  const stats = emptySite(D, false);
  const keep = { means: samples, samples: Math.ceil(samples / 2), tokensPerSample: TOKENS };
  for (let i = 0; i < samples; i++) {
    const mean = normal(D, seed * 1000 + i, 2, 3);
    const x = normal(TOKENS * D, seed * 2000 + i).map((v, at) => v + mean[at % D]!);
    addSample(stats, x, 0, TOKENS, { hash: i, timestep: null }, keep);
  }
  return stats;
}

/** A linear on samples that its transform was fitted to, on those as if it was not, on others. */
function measured(samples: number, bits: number | null, changes: Partial<Parts> = {}) {
  const stats = calibrated(samples, 1);
  const parts = { ...METHODS.centered, ...changes, rotate: true, center: 'dynamic' } as const;
  const how = { blockSize: null, seed: 1, gptq: false, branched: false };
  const t = makeTransform('test', parts, stats, [W], D, how);
  const format = bits === null ? FLOAT32 : weightFormat(bits, D);
  const at8Bits = weightFormat(8, D);
  const weights = { format, at8Bits, clipping: 'none', rounding: null } as const;
  const quantized = quantizeLinear(t, W, N, weights, null, null);
  const outputOn = (site: SiteStats) => {
    const kept = samplesOf(site)!;
    const inputs = transformSamples(t, kept, null);
    const exact = matmul(kept.rows, W, kept.count, D, N);
    return { inputs, exact, output: sqnr(exact, linearOutput(t, quantized, inputs)) };
  };
  const own = outputOn(stats);
  const fit = crossFitOf(t, stats, own.inputs)!;
  const crossed = sqnr(own.exact, crossFittedOutput(t, quantized, W, fit));
  return { own: own.output, crossed, others: outputOn(calibrated(60, 2)).output };
}

describe('Samples that the mean’s part of a transform was not fitted to', () => {
  it('are computed exactly where nothing is quantized', () => {
    for (const samples of [1, 2, 7, 16]) {
      for (const meanRank of [0, 3, 8]) {
        const changes = { meanRank, scale: samples > 2 ? 'balanced' : 'none' } as const;
        expect(measured(samples, null, changes).crossed).to.be.above(100);
      }
    }
  });

  it('lose what others lose, where those that it was fitted to lose nothing', () => {
    const { own, crossed, others } = measured(9, 4, { meanRank: 8 });
    expect(own).to.be.above(others + 3);
    expect(crossed).to.be.closeTo(others, 1);
  });

  it('lose the same as all where nothing was fitted but a mean of many', () => {
    const { own, crossed } = measured(60, 4, { meanRank: 0 });
    expect(crossed).to.be.closeTo(own, 0.5);
  });

  it('are the samples as they are where no means are taken out', () => {
    const stats = calibrated(4, 1);
    for (const center of ['none', 'static'] as const) {
      const parts = { ...METHODS.centered, center, rotate: false };
      const how = { blockSize: null, seed: 1, gptq: false, branched: false };
      const t = makeTransform('test', parts, stats, [W], D, how);
      const inputs = transformSamples(t, samplesOf(stats)!, null);
      expect(crossFitOf(t, stats, inputs)).to.equal(null);
    }
  });
});
