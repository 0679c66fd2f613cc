import { HadaNormError } from '../../ops/numerics/errors.js';
import { meanOf, type SiteStats } from '../calibrate/siteStats.js';
import { factorUpper, matmul, matmulTransposed, traceOf } from '../math/matrix.js';
import { solveFactored } from '../math/solve.js';
import { channelScale } from './channelScale.js';
import { METHODS } from './methods.js';
import type { Samples } from './samples.js';

/** Weight of the ridge, in mean diagonals of the Hessian: what measured best on trained DiTs. */
const RIDGE = 1;

/**
 * What the linears of a site are to give where quantized linears before it have changed its inputs:
 * what the original gives, of the same tokens.
 */
export interface Changed {
  /** E[x] (W − W̃), [n] for each linear, so that the mean goes by W. Null: it does already. */
  readonly shifts: readonly (Float32Array | null)[];
  /** x° W of the kept tokens, [count, n]. */
  readonly target: (i: number) => Float32Array;
}

/**
 * Weights W̃ of a site's linears that make of its changed inputs what W made of the original ones:
 *
 *   min ‖X W̃ − X° W‖² + λ ‖diag(σ) (W̃ − W)‖²   ⇒   W̃ = W + σ⁻¹ (H + λ)⁻¹ σ⁻¹ Xᵀ(X° − X) W,
 *
 * X less its mean, H = σ⁻¹ XᵀX σ⁻¹, λ the mean of H's diagonal. X is what passes before the
 * activations are quantized: of what passes behind that, a fit shrinks the output, as a Wiener
 * filter does. The sequential part of GPTAQ (arXiv 2504.02692) and Qronos (arXiv 2505.11695), as a
 * ridge regression before rounding. Null where the statistics hold no such products.
 *
 * Where activations have few bits, X is noisy by itself and that regression shrinks too: least in
 * squares, but always the same way, at each linear and step. `unshrunk` takes X°ᵀ(X° − X) for
 * Xᵀ(X° − X): X° as an instrument has nothing to do with the noise, and only what changed by rule
 * is made up for (on a trained DiT at W4A4 1 dB of the pictures).
 *
 * @throws HadaNormError for statistics with NaN or Inf.
 */
export function refitWeights(
  stats: SiteStats,
  matrices: readonly Float32Array[],
  { unshrunk = false }: { readonly unshrunk?: boolean } = {},
): Float32Array[] | null {
  const { d, scatter, original } = stats;
  if (scatter === null || original === undefined || original.cross === null) return null;
  // what nothing before it has changed
  if (original.cross.every((v) => v === 0)) return null;
  const means = meanProducts(stats);
  const sigma = channelScale(METHODS.hadanorm, stats, matrices, d, true)!;
  const h = new Float64Array(d * d);
  for (let i = 0, at = 0; i < d; i++) {
    for (let j = i; j < d; j++, at++) {
      h[i * d + j] = (scatter[at]! + means.own[i * d + j]!) / (sigma[i]! * sigma[j]!);
    }
  }
  const trace = traceOf(h, d);
  // inputs that never move have nothing to fit
  if (trace === 0) return null;
  for (let i = 0; i < d; i++) h[i * d + i] = h[i * d + i]! + (RIDGE * trace) / d;
  if (!factorUpper(h, d)) {
    throw new HadaNormError('refit', 'the statistics hold NaN or Inf. Calibrate again.');
  }
  const cross = Float32Array.from(original.cross, (v, at) => v + means.cross[at]!);
  if (unshrunk) addChanges(cross, original.changes!, means.changes, d);
  cross.forEach((v, at) => {
    cross[at] = v / sigma[Math.floor(at / d)]!;
  });
  return matrices.map((w) => {
    const n = w.length / d;
    const change = matmul(cross, w, d, d, n);
    solveFactored(h, change, d, n);
    return w.map((v, at) => v + change[at]! / sigma[Math.floor(at / n)]!);
  });
}

/**
 * What a site's linears are to give, with these weights in the place of their own.
 *
 * Weights are fitted to what varies, so the mean keeps its own. That it has moved itself is not
 * made up for: one sum for all times has too much at some, which adds up over the steps (on a
 * trained DiT 0.2 dB of the velocity at W4A8, 0.7 dB of the pictures at W4A4).
 */
export function changedBy(
  { d, total, original }: SiteStats,
  samples: Samples | null,
  matrices: readonly Float32Array[],
  refit: readonly Float32Array[],
): Changed | null {
  if (original === undefined) return null;
  const mean = Float32Array.from(meanOf(total));
  const shifts = matrices.map((w, i) => {
    const fitted = refit[i]!;
    if (fitted === w) return null;
    const apart = w.map((v, at) => v - fitted[at]!);
    return matmul(mean, apart, 1, d, w.length / d);
  });
  const target = (i: number) => {
    const { originals, count } = samples!;
    return matmul(originals!, matrices[i]!, count, d, matrices[i]!.length / d);
  };
  return { shifts, target };
}

/**
 * Σ (μ − μ̄)ᵀ(μ − μ̄), Σ (μ − μ̄)ᵀ(δ − δ̄) and Σ (δ − δ̄)ᵀ(δ − δ̄), δ = μ° − μ, once per token: of
 * kept samples.
 */
function meanProducts({ d, total, kept, original }: SiteStats) {
  const mean = meanOf(total);
  const seen = kept.reduce((sum, { tokens }) => sum + tokens, 0);
  const rows = new Float32Array(kept.length * d);
  const weighted = new Float32Array(kept.length * d);
  const apart = new Float32Array(kept.length * d);
  const weightedApart = new Float32Array(kept.length * d);
  kept.forEach((sample, i) => {
    const weight = (sample.tokens * total.tokens) / seen;
    for (let c = 0; c < d; c++) {
      const off = sample.mean[c]! - mean[c]!;
      const delta = (original!.sum[c]! - total.sum[c]!) / total.tokens;
      rows[i * d + c] = off;
      weighted[i * d + c] = weight * off;
      const moved = sample.original!.mean[c]! - sample.mean[c]! - delta;
      apart[i * d + c] = moved;
      weightedApart[i * d + c] = weight * moved;
    }
  });
  return {
    own: matmulTransposed(weighted, rows, kept.length, d, d),
    cross: matmulTransposed(weighted, apart, kept.length, d, d),
    changes: matmulTransposed(weightedApart, apart, kept.length, d, d),
  };
}

/** Xᵀ(X° − X) + (X° − X)ᵀ(X° − X) = X°ᵀ(X° − X). */
function addChanges(
  cross: Float32Array,
  changes: Float64Array,
  ofMeans: Float32Array,
  d: number,
): void {
  for (let i = 0, at = 0; i < d; i++) {
    for (let j = i; j < d; j++, at++) {
      const [one, other] = [i * d + j, j * d + i];
      cross[one] = cross[one]! + changes[at]! + ofMeans[one]!;
      if (i !== j) cross[other] = cross[other]! + changes[at]! + ofMeans[other]!;
    }
  }
}
