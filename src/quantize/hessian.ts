import { transformBlocks } from '../../ops/numerics/fastHadamard.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { matmulTransposed, transpose } from '../math/matrix.js';
import { type Feedback, gptqFeedback } from './gptq.js';
import { splitMeans, type Transform } from './transform.js';

/**
 * The second moments of what really passes through the quantized weights, factored for GPTQ: the
 * centered tokens, and what of the samples' means goes the same way. Null where the statistics hold
 * no scatter.
 */
export function feedbackFor(t: Transform, stats: SiteStats): Feedback | null {
  if (stats.scatter === null) return null;
  const { d } = t;
  const h = transformedScatter(t, stats.scatter);
  const { kept, total } = stats;
  const means = new Float32Array(kept.length * d);
  kept.forEach(({ mean }, i) => {
    means.set(mean, i * d);
  });
  // a subset of the samples stands for all of them
  const seen = kept.reduce((sum, { tokens }) => sum + tokens, 0);
  addWeighted(h, meansThatPass(t, means), d, (i) => (kept[i]!.tokens * total.tokens) / seen);
  return gptqFeedback(h, d);
}

/** The part of each mean that meets the quantized weights, transformed, [samples, d]. */
function meansThatPass(t: Transform, means: Float32Array): Float32Array {
  switch (t.parts.center) {
    case 'dynamic':
    case 'static':
      return splitMeans(t, means).residual;
    case 'none':
      return splitMeans({ ...t, mean: null }, means).residual;
    default:
      return t.parts.center satisfies never;
  }
}

/** Rᵀ diag(1/σ) S diag(1/σ) R from the upper triangle of S, row-major [d, d]. */
function transformedScatter(t: Transform, packed: Float64Array): Float64Array {
  const { d, sigma } = t;
  const full = new Float64Array(d * d);
  for (let i = 0, at = 0; i < d; i++) {
    for (let j = i; j < d; j++, at++) {
      const v = sigma === null ? packed[at]! : packed[at]! / (sigma[i]! * sigma[j]!);
      full[i * d + j] = v;
      full[j * d + i] = v;
    }
  }
  if (t.blockSize === 0) return full;
  return rotatedRows(t, transpose(rotatedRows(t, full), d, d));
}

function rotatedRows(t: Transform, rows: Float64Array): Float64Array {
  const out = new Float64Array(rows.length);
  transformBlocks(rows, out, t.blockSize, false);
  return out;
}

/** h += Σ weight · v vᵀ over the rows v of `rows` [count, d]. */
function addWeighted(
  h: Float64Array,
  rows: Float32Array,
  d: number,
  weight: (i: number) => number,
): void {
  const weighted = rows.map((v, at) => v * weight(Math.floor(at / d)));
  const products = matmulTransposed(weighted, rows, rows.length / d, d, d);
  for (let at = 0; at < h.length; at++) h[at] = h[at]! + products[at]!;
}
