import { add, dispose, matMul, slice, tensor2d } from '@tensorflow/tfjs-core';
import { transformBlocks } from '../../ops/numerics/fastHadamard.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { areProductsFast, matmulTransposed, transpose as transposed } from '../math/matrix.js';
import { rowOf } from '../math/triangle.js';
import { type Feedback, gptqFeedback, gptqFeedbackOf } from './feedback.js';
import { RotatedScatter, scaledRows } from './rotatedScatter.js';
import { splitMeans, type Transform } from './transform.js';

/** From this many channels on, the backend is worth its calls where its products are fast. */
const ON_BACKEND_FROM = 512;

/** Rows [count, d] whose outer products count by so much each. */
interface WeightedRows {
  readonly rows: Float32Array;
  readonly weight: (i: number) => number;
}

/**
 * The second moments of what really passes through the quantized weights, factored for GPTQ: the
 * centered tokens, and what of the samples' means goes the same way. Null where the statistics hold
 * no scatter.
 */
export function feedbackFor(t: Transform, stats: SiteStats): Feedback | null {
  if (stats.scatter === null) return null;
  const { d } = t;
  const { kept, total } = stats;
  const means = new Float32Array(kept.length * d);
  kept.forEach(({ mean }, i) => {
    means.set(mean, i * d);
  });
  // a subset of the samples stands for all of them
  const seen = kept.reduce((sum, { tokens }) => sum + tokens, 0);
  const weight = (i: number) => (kept[i]!.tokens * total.tokens) / seen;
  const passing = { rows: meansThatPass(t, means), weight };
  if (d >= ON_BACKEND_FROM && areProductsFast()) return onBackend(t, stats.scatter, passing);
  const h = transformedScatter(t, stats.scatter);
  addWeighted(h, passing, d);
  return gptqFeedback(h, d);
}

/** The same by the backend's products, in float32: far below the damping that GPTQ adds. */
function onBackend(t: Transform, packed: Float64Array, passing: WeightedRows): Feedback {
  const { d, sigma } = t;
  let trace = 0;
  for (let i = 0; i < d; i++) trace += packed[rowOf(d, i) + i]! / (sigma?.[i] ?? 1) ** 2;
  passing.rows.forEach((v, at) => {
    trace += v * v * passing.weight(Math.floor(at / d));
  });
  const shape: [number, number] = [passing.rows.length / d, d];
  const means = tensor2d(passing.rows, shape);
  const turned = tensor2d(transposed(weighted(passing, d), shape[0], d), [d, shape[0]]);
  const scatter = new RotatedScatter(t, packed);
  try {
    return gptqFeedbackOf(d, trace, (rows) => {
      const own = scatter.rows(rows);
      const { from, to } = rows;
      if (shape[0] === 0) return own;
      return add(own, matMul(slice(turned, [from, 0], [to - from, shape[0]]), means));
    });
  } finally {
    scatter.dispose();
    dispose([means, turned]);
  }
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
  const { d } = t;
  const full = scaledRows(t, packed, { from: 0, to: d }, new Float64Array(d * d));
  if (t.blockSize === 0) return full;
  return rotatedRows(t, transposed(rotatedRows(t, full), d, d));
}

function rotatedRows(t: Transform, rows: Float64Array): Float64Array {
  const out = new Float64Array(rows.length);
  transformBlocks(rows, out, t.blockSize, false);
  return out;
}

function weighted({ rows, weight }: WeightedRows, d: number): Float32Array {
  return rows.map((v, at) => v * weight(Math.floor(at / d)));
}

/** h += Σ weight · v vᵀ over the rows v. */
function addWeighted(h: Float64Array, given: WeightedRows, d: number): void {
  const { rows } = given;
  const products = matmulTransposed(weighted(given, d), rows, rows.length / d, d, d);
  for (let at = 0; at < h.length; at++) h[at] = h[at]! + products[at]!;
}
