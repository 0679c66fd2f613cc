import { add, dispose, matMul, slice, type Tensor2D, tensor2d } from '@tensorflow/tfjs-core';
import { transformBlocks } from '../../ops/numerics/fastHadamard.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import {
  areProductsFast,
  fetched,
  matmulTransposed,
  traceOf,
  transpose as transposed,
} from '../math/matrix.js';
import { type Range, rowOf } from '../math/triangle.js';
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
  const { d } = t;
  const { scatter } = stats;
  if (scatter === null) return null;
  if (!isOnBackend(d)) return gptqFeedback(momentsOnHost(t, stats, scatter), d);
  return onBackend(t, stats, scatter, (trace, rowsOf) => gptqFeedbackOf(d, trace, rowsOf));
}

/** The same moments, symmetric, row-major [d, d]: of what a branch is fitted to. */
export function momentsFor(t: Transform, stats: SiteStats): Float64Array | null {
  const { d } = t;
  const { scatter } = stats;
  if (scatter === null) return null;
  if (!isOnBackend(d)) return mirrored(momentsOnHost(t, stats, scatter), d);
  return onBackend(t, stats, scatter, (_, rowsOf) => {
    const h = new Float64Array(d * d);
    for (let from = 0; from < d; from += MOMENT_ROWS) {
      const rows = { from, to: Math.min(from + MOMENT_ROWS, d) };
      h.set(
        fetched('rewriteGraph', () => rowsOf(rows)),
        from * d,
      );
    }
    return mirrored(h, d);
  });
}

/** Float32 products of rows by one another are symmetric but for their rounding. In place. */
function mirrored(h: Float64Array, d: number): Float64Array {
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < i; j++) h[i * d + j] = h[j * d + i]!;
  }
  return h;
}

/** Moments [d, d], factored for GPTQ; written over. */
export function feedbackOf(moments: Float64Array, d: number): Feedback {
  if (!isOnBackend(d)) return gptqFeedback(moments, d);
  return gptqFeedbackOf(d, traceOf(moments, d), ({ from, to }) =>
    tensor2d(Float32Array.from(moments.subarray(from * d, to * d)), [to - from, d]),
  );
}

/** Rows of moments that are read at a time. */
const MOMENT_ROWS = 512;

function isOnBackend(d: number): boolean {
  return d >= ON_BACKEND_FROM && areProductsFast();
}

/** What of the samples' means passes, and how much each counts. */
function passingMeans(t: Transform, { kept, total }: SiteStats): WeightedRows {
  const { d } = t;
  const means = new Float32Array(kept.length * d);
  kept.forEach(({ mean }, i) => {
    means.set(mean, i * d);
  });
  // a subset of the samples stands for all of them
  const seen = kept.reduce((sum, { tokens }) => sum + tokens, 0);
  const weight = (i: number) => (kept[i]!.tokens * total.tokens) / seen;
  return { rows: meansThatPass(t, means), weight };
}

function momentsOnHost(t: Transform, stats: SiteStats, scatter: Float64Array): Float64Array {
  const h = transformedScatter(t, scatter);
  addWeighted(h, passingMeans(t, stats), t.d);
  return h;
}

/** The same by the backend's products, in float32: far below the damping that GPTQ adds. */
function onBackend<T>(
  t: Transform,
  stats: SiteStats,
  packed: Float64Array,
  use: (trace: number, rowsOf: (rows: Range) => Tensor2D) => T,
): T {
  const { d, sigma } = t;
  const passing = passingMeans(t, stats);
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
    return use(trace, (rows) => {
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
