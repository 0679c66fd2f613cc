import { expect } from 'chai';
import { emptySite, type SiteStats } from '../../../src/calibrate/siteStats.js';
import {
  innerProducts,
  leadingEigenvectors,
  leadingOf,
  timesColumns,
} from '../../../src/math/symmetric.js';
import { gptqFeedback } from '../../../src/quantize/feedback.js';
import { feedbackFor, feedbackOf, momentsFor } from '../../../src/quantize/hessian.js';
import { METHODS } from '../../../src/quantize/methods.js';
import {
  makeTransform,
  restoredWeights,
  splitMeans,
  type Transform,
} from '../../../src/quantize/transform.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';

/** As many channels as make a fast backend's products worth it, in three panels. */
const D = 576;
const SAMPLES = 3;
const TOKENS = 40;

/** Statistics of correlated tokens, some channels much larger. */
function statistics(): SiteStats {
  const stats = emptySite(D, true);
  const scatter = stats.scatter!;
  const x = normal(TOKENS * D, 1).map((v, at) => v * (at % 97 === 3 ? 20 : 1));
  for (let t = 0; t < TOKENS; t++) {
    for (let i = 0, at = 0; i < D; i++) {
      for (let j = i; j < D; j++, at++) {
        scatter[at] = scatter[at]! + x[t * D + i]! * x[t * D + j]!;
      }
    }
  }
  stats.total.tokens = TOKENS;
  stats.total.within.set(Float64Array.from({ length: D }, (_, c) => 1 + (c % 7)));
  const mean = (i: number) => normal(D, 10 + i);
  const rows = new Float32Array(0);
  stats.kept = Array.from({ length: SAMPLES }, (_, i) => {
    return { hash: i, timestep: null, tokens: 10, mean: mean(i), rows };
  });
  return stats;
}

/** The same in float64, by products with the transform as a matrix. */
function reference(t: Transform, stats: SiteStats): Float64Array {
  const identity = new Float32Array(D * D);
  for (let i = 0; i < D; i++) identity[i * D + i] = 1;
  const to = restoredWeights(t, identity, D); // diag(1/σ) R
  const through = (v: ArrayLike<number>) => {
    const out = new Float64Array(D);
    for (let i = 0; i < D; i++) for (let j = 0; j < D; j++) out[j]! += v[i]! * to[i * D + j]!;
    return out;
  };
  const full = new Float64Array(D * D);
  for (let i = 0, at = 0; i < D; i++) {
    for (let j = i; j < D; j++, at++) full[i * D + j] = full[j * D + i] = stats.scatter![at]!;
  }
  const half = new Float64Array(D * D);
  for (let i = 0; i < D; i++) half.set(through(full.subarray(i * D, (i + 1) * D)), i * D);
  const h = new Float64Array(D * D);
  for (let j = 0; j < D; j++) {
    const column = through(Float64Array.from({ length: D }, (_, i) => half[i * D + j]!));
    for (let i = 0; i < D; i++) h[i * D + j] = column[i]!;
  }
  const { residual } = splitMeans(t, Float32Array.from(stats.kept.flatMap((k) => [...k.mean])));
  for (let s = 0; s < SAMPLES; s++) {
    const v = residual.subarray(s * D, (s + 1) * D);
    const weight = TOKENS / SAMPLES;
    for (let i = 0; i < D; i++) for (let j = 0; j < D; j++) h[i * D + j]! += weight * v[i]! * v[j]!;
  }
  return h;
}

/** Of the diagonal of H, what is along orthonormal columns [D, 4], by cpu's float64. */
function energies(columns: Float64Array, h: Float64Array): number {
  const along = innerProducts(columns, timesColumns(h, D, columns, 4), D, 4, 4);
  let trace = 0;
  for (let i = 0; i < D; i++) trace += h[i * D + i]!;
  return [0, 1, 2, 3].reduce((sum, i) => sum + along[i * 5]! / trace, 0);
}

function leading(h: Float64Array): number {
  const columns = leadingOf((v) => timesColumns(h, D, v, 4), D, 4);
  return energies(columns, h);
}

/** ‖a − b‖ / ‖a‖. */
function apart(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [off, all] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    off += (a[i]! - b[i]!) ** 2;
    all += a[i]! ** 2;
  }
  return Math.sqrt(off / all);
}

describeOnBackends('Feedback of wide layers', () => {
  for (const rotate of [true, false]) {
    it(`${rotate ? 'rotated' : 'not rotated'}, is that of float64, and leaves no tensor`, () => {
      const stats = statistics();
      const parts = { ...METHODS.hadanorm, center: 'dynamic', rotate, meanRank: 1 } as const;
      const how = { blockSize: null, seed: 1, gptq: true, branched: false };
      const t = makeTransform('test', parts, stats, [normal(D * 8, 5)], D, how);
      const { upper } = expectNoLeak(() => feedbackFor(t, stats)!);
      const h = reference(t, stats);
      const moments = expectNoLeak(() => momentsFor(t, stats)!);
      expect(apart(h, moments)).to.be.below(1e-5);
      expect(energies(leadingEigenvectors(moments, D, 4), h)).to.be.closeTo(leading(h), 1e-4);
      const exact = gptqFeedback(h, D).upper;
      expect(apart(exact.values, upper.values)).to.be.below(1e-3);
      const factored = expectNoLeak(() => feedbackOf(moments, D)).upper;
      expect(apart(exact.values, factored.values)).to.be.below(1e-3);
    });
  }

  it('statistics with NaN get a typed error', () => {
    const stats = statistics();
    stats.scatter![1] = Number.NaN;
    const parts = { ...METHODS.rtn, center: 'none', rotate: false } as const;
    const how = { blockSize: null, seed: 1, gptq: true, branched: false };
    const t = makeTransform('test', parts, stats, [], D, how);
    expect(() => feedbackFor(t, stats)).to.throw('the Hessian holds NaN or Inf');
  });
});
