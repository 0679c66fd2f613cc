import type { Tensor2D } from '@tensorflow/tfjs-core';
import { HadaNormError } from '../../ops/numerics/errors.js';
import { factorUpper, traceOf } from '../math/matrix.js';
import { emptyTriangle, type Range, rowOf, type Triangle } from '../math/triangle.js';
import { unitFactorOf } from '../math/unitFactor.js';

/** Share of the mean diagonal that is added to it, as in the paper. */
export const GPTQ_DAMPING = 0.01;

/**
 * H = (M + I) D (M + I)ᵀ with M strictly upper triangular: what GPTQ needs of a Hessian, made once
 * per site.
 */
export interface Feedback {
  /** M; what is on the diagonal means nothing. */
  readonly upper: Triangle;
}

/**
 * Factors a Hessian, in place. Damping grows tenfold until the matrix is positive definite.
 * @param h Symmetric, row-major float64 [d, d]; written over.
 * @throws HadaNormError for a matrix with NaN or Inf.
 */
export function gptqFeedback(h: Float64Array, d: number): Feedback {
  const kept = lowerTriangle(h, d);
  return damped(d, traceOf(h, d), (added) => {
    for (let i = 0; i < d; i++) h[i * d + i] = kept.diagonal[i]! + added;
    if (factorUpper(h, d)) return unitColumns(h, d);
    kept.restore(h);
    return null;
  });
}

/**
 * The same of a Hessian on a backend whose products are fast, in float32.
 * @param rowsOf Rows of it, whole, made when they are asked for.
 */
export function gptqFeedbackOf(
  d: number,
  trace: number,
  rowsOf: (rows: Range) => Tensor2D,
): Feedback {
  return damped(d, trace, (added) => unitFactorOf(d, rowsOf, added));
}

function damped(d: number, trace: number, factor: (added: number) => Triangle | null): Feedback {
  const unit = trace > 0 ? trace / d : 1;
  for (let damping = GPTQ_DAMPING; damping < 1e3 && Number.isFinite(trace); damping *= 10) {
    const upper = factor(damping * unit);
    if (upper !== null) return { upper };
  }
  throw new HadaNormError('gptq', 'the Hessian holds NaN or Inf. Check the calibration data.');
}

/** U = (M + I) diag(U): each column over its diagonal. */
function unitColumns(u: Float64Array, d: number): Triangle {
  const inverse = Float64Array.from({ length: d }, (_, j) => 1 / u[j * d + j]!);
  const unit = emptyTriangle(d);
  for (let i = 0; i < d; i++) {
    const at = rowOf(d, i);
    for (let j = i + 1; j < d; j++) unit.values[at + j] = u[i * d + j]! * inverse[j]!;
  }
  return unit;
}

/** Factoring overwrites the upper triangle; the lower one still has it. */
function lowerTriangle(h: Float64Array, d: number) {
  const diagonal = Float64Array.from({ length: d }, (_, i) => h[i * d + i]!);
  const restore = (matrix: Float64Array) => {
    for (let i = 0; i < d; i++) {
      for (let j = i + 1; j < d; j++) matrix[i * d + j] = matrix[j * d + i]!;
    }
  };
  return { diagonal, restore };
}
