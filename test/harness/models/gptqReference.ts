import { roundHalfToEven } from '../../../ops/numerics/quantization.js';

/** How a reference chooses the scale of a group's column. */
export type ChooseScale = (values: Float64Array) => number;

/**
 * GPTQ as Frantar et al. (arXiv 2210.17323, Algorithm 1) have it, in float64, without blocks: by
 * the upper Cholesky factor of the inverse Hessian.
 */
export function gptqReference(
  w: ArrayLike<number>,
  d: number,
  n: number,
  h: Float64Array,
  options: { bits: number; groupSize: number; damping: number; chooseScale: ChooseScale },
): { codes: Float64Array; quotients: Float64Array } {
  const { bits, groupSize, chooseScale } = options;
  const upper = choleskyUpper(inverse(damped(h, d, options.damping), d), d);
  const rest = Float64Array.from(w);
  const codes = new Float64Array(d * n);
  const quotients = new Float64Array(d * n);
  const scales = new Float64Array(n);
  for (let k = 0; k < d; k++) {
    for (let j = 0; j < n; j++) {
      if (k % groupSize === 0) {
        const rows = Math.min(groupSize, d - k);
        scales[j] = chooseScale(
          Float64Array.from({ length: rows }, (_, r) => rest[(k + r) * n + j]!),
        );
      }
      const at = k * n + j;
      quotients[at] = rest[at]! / scales[j]!;
      const max = 2 ** (bits - 1) - 1;
      codes[at] = Math.min(Math.max(roundHalfToEven(quotients[at]!), -max - 1), max);
      const error = (rest[at]! - codes[at]! * scales[j]!) / upper[k * d + k]!;
      for (let i = k; i < d; i++) rest[i * n + j] = rest[i * n + j]! - error * upper[k * d + i]!;
    }
  }
  return { codes, quotients };
}

/** H with a share of its mean diagonal added to the diagonal. */
export function damped(h: Float64Array, d: number, share: number): Float64Array {
  const out = h.slice();
  let trace = 0;
  for (let i = 0; i < d; i++) trace += h[i * d + i]!;
  for (let i = 0; i < d; i++) out[i * d + i] = h[i * d + i]! + (share * trace) / d;
  return out;
}

/** tr(Eᵀ H E) for E = a − b, both [d, n]. */
export function weightedError(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  h: Float64Array,
  d: number,
  n: number,
): number {
  let sum = 0;
  for (let j = 0; j < n; j++) {
    const e = Float64Array.from({ length: d }, (_, k) => a[k * n + j]! - b[k * n + j]!);
    for (let i = 0; i < d; i++) for (let k = 0; k < d; k++) sum += e[i]! * h[i * d + k]! * e[k]!;
  }
  return sum;
}

/** Gauss–Jordan with pivots on the diagonal, which a positive definite matrix allows. */
function inverse(h: Float64Array, d: number): Float64Array {
  const a = h.slice();
  const out = new Float64Array(d * d);
  for (let i = 0; i < d; i++) out[i * d + i] = 1;
  for (let p = 0; p < d; p++) {
    const pivot = a[p * d + p]!;
    for (let i = 0; i < d; i++) {
      a[p * d + i] = a[p * d + i]! / pivot;
      out[p * d + i] = out[p * d + i]! / pivot;
    }
    for (let r = 0; r < d; r++) {
      const factor = r === p ? 0 : a[r * d + p]!;
      for (let i = 0; i < d; i++) {
        a[r * d + i] = a[r * d + i]! - factor * a[p * d + i]!;
        out[r * d + i] = out[r * d + i]! - factor * out[p * d + i]!;
      }
    }
  }
  return out;
}

/** U upper triangular with Uᵀ U = a. */
function choleskyUpper(a: Float64Array, d: number): Float64Array {
  const u = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = i; j < d; j++) {
      let sum = a[i * d + j]!;
      for (let k = 0; k < i; k++) sum -= u[k * d + i]! * u[k * d + j]!;
      u[i * d + j] = i === j ? Math.sqrt(sum) : sum / u[i * d + i]!;
    }
  }
  return u;
}
