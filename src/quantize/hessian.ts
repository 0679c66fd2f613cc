import {
  add,
  matMul,
  type Tensor,
  type Tensor2D,
  tensor2d,
  tidy,
  transpose,
} from '@tensorflow/tfjs-core';
import { hadamardTransform } from '../../ops/hadamardTransform/op.js';
import { transformBlocks } from '../../ops/numerics/fastHadamard.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { areProductsFast, matmulTransposed, transpose as transposed } from '../math/matrix.js';
import { type Feedback, gptqFeedback, gptqFeedbackOf } from './feedback.js';
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
  const { d, blockSize } = t;
  const whole = unpacked(t, packed, new Float32Array(d * d));
  let trace = 0;
  for (let i = 0; i < d; i++) trace += whole[i * d + i]!;
  passing.rows.forEach((v, at) => {
    trace += v * v * passing.weight(Math.floor(at / d));
  });
  let h = tensor2d(whole, [d, d]);
  // one after the other, each in the place of the last: three such matrices are enough
  const become = (next: (x: Tensor2D) => Tensor) => {
    const made = tidy(() => next(h)) as Tensor2D;
    h.dispose();
    h = made;
  };
  if (blockSize > 0) {
    // symmetric, so that what is turned twice has its rows and columns rotated
    become((x) => transpose(hadamardTransform(x, { blockSize })));
    become((x) => transpose(hadamardTransform(x, { blockSize })));
  }
  const { rows } = passing;
  if (rows.length > 0) {
    const shape: [number, number] = [rows.length / d, d];
    become((x) =>
      add(x, matMul(transpose(tensor2d(weighted(passing, d), shape)), tensor2d(rows, shape))),
    );
  }
  try {
    return gptqFeedbackOf(h, trace);
  } finally {
    h.dispose();
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
  const full = unpacked(t, packed, new Float64Array(d * d));
  if (t.blockSize === 0) return full;
  return rotatedRows(t, transposed(rotatedRows(t, full), d, d));
}

/** Columns and rows that are mirrored together, so that what is written is near by. */
const TILE = 64;

/** diag(1/σ) S diag(1/σ), all of it, from the upper triangle of S row by row. */
function unpacked<T extends Float32Array | Float64Array>(
  { d, sigma }: Transform,
  packed: Float64Array,
  full: T,
): T {
  const inverse = Float64Array.from({ length: d }, (_, c) => (sigma === null ? 1 : 1 / sigma[c]!));
  for (let top = 0; top < d; top += TILE) {
    const bottom = Math.min(top + TILE, d);
    for (let left = top; left < d; left += TILE) {
      const right = Math.min(left + TILE, d);
      for (let i = top; i < bottom; i++) {
        const row = i * d - (i * (i + 1)) / 2;
        for (let j = Math.max(i, left); j < right; j++) {
          const v = packed[row + j]! * inverse[i]! * inverse[j]!;
          full[i * d + j] = v;
          full[j * d + i] = v;
        }
      }
    }
  }
  return full;
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
