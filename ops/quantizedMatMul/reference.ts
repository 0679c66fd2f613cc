import type { Activation } from './contract.js';

/**
 * What the op works on, as numbers: codes are not packed; where the weights are float32, they are
 * the codes.
 */
export interface QuantizedMatMulNumbers {
  readonly x: ArrayLike<number>; // [samples, tokens, d]: numbers, or codes beside xScale
  readonly xScale?: ArrayLike<number>; // [samples, tokens, xGroups]
  readonly xZeroPoint?: ArrayLike<number>; // [samples, tokens, xGroups]
  readonly codes: ArrayLike<number>; // [d, n]
  readonly scale?: ArrayLike<number>; // [groups, n]; absent: 1
  readonly bias?: ArrayLike<number>; // [n]
  readonly residual?: ArrayLike<number>; // [samples, d]
  readonly coefficients?: ArrayLike<number>; // [samples, r]
  readonly basis?: ArrayLike<number>; // [k, n]
  readonly basisScale?: ArrayLike<number>; // [k]; absent: 1
  readonly along?: ArrayLike<number>; // [samples, tokens, r]
  readonly directionWeights?: ArrayLike<number>; // [k, n]
  readonly directionScale?: ArrayLike<number>; // [k]; absent: 1
}

/** The sizes of a product. */
export interface QuantizedMatMulSizes {
  readonly samples: number;
  readonly d: number;
  readonly n: number;
  readonly groupSize: number;
  readonly xGroupSize?: number;
}

/** What `quantizedMatMulReference` returns, float64 [samples, tokens, n]. */
export interface QuantizedMatMulReference {
  /** Before the activation. */
  values: Float64Array;
  /** Sums of the magnitudes of all that was added: what rounding errors are proportional to. */
  magnitudes: Float64Array;
}

/**
 * The op in float64, output by output from its definition; the activation is left to
 * `activationReference`.
 */
export function quantizedMatMulReference(
  numbers: QuantizedMatMulNumbers,
  { samples, d, n, groupSize, xGroupSize = d }: QuantizedMatMulSizes,
): QuantizedMatMulReference {
  const { x, xScale, xZeroPoint, codes, scale, bias, residual } = numbers;
  const rows = x.length / d;
  const groups = Math.ceil(d / xGroupSize);
  const weight = (k: number, j: number) =>
    codes[k * n + j]! * (scale?.[Math.floor(k / groupSize) * n + j] ?? 1);
  const value = (row: number, k: number) => {
    const group = row * groups + Math.floor(k / xGroupSize);
    return (x[row * d + k]! - (xZeroPoint?.[group] ?? 0)) * (xScale?.[group] ?? 1);
  };
  const out = { values: new Float64Array(rows * n), magnitudes: new Float64Array(rows * n) };
  for (let row = 0; row < rows; row++) {
    const sample = Math.floor((row * samples) / rows);
    for (let j = 0; j < n; j++) {
      const terms = [bias?.[j] ?? 0];
      for (let k = 0; k < d; k++) terms.push(value(row, k) * weight(k, j));
      if (residual !== undefined) {
        for (let k = 0; k < d; k++) terms.push(residual[sample * d + k]! * weight(k, j));
      }
      const { coefficients, basis, basisScale } = numbers;
      terms.push(...rowTerms(coefficients, basis, basisScale, samples, sample, n, j));
      const { along, directionWeights, directionScale } = numbers;
      terms.push(...rowTerms(along, directionWeights, directionScale, rows, row, n, j));
      out.values[row * n + j] = terms.reduce((sum, term) => sum + term);
      out.magnitudes[row * n + j] = terms.reduce((sum, term) => sum + Math.abs(term), 0);
    }
  }
  return out;
}

/** factors [count, r] times rows [k, n] of which row i belongs to factor i mod r. */
function rowTerms(
  factors: ArrayLike<number> | undefined,
  rows: ArrayLike<number> | undefined,
  scale: ArrayLike<number> | undefined,
  count: number,
  at: number,
  n: number,
  j: number,
): number[] {
  if (factors === undefined) return [];
  const rank = factors.length / count;
  return Array.from({ length: rows!.length / n }, (_, i) => {
    const factor = factors[at * rank + (i % rank)]! * (scale?.[i] ?? 1);
    return factor * rows![i * n + j]!;
  });
}

/** The activation in float64, from its definition. */
export function activationReference(y: number, activation: Activation): number {
  switch (activation) {
    case 'none':
      return y;
    case 'gelu':
      return 0.5 * y * (1 + erf(y / Math.sqrt(2)));
    case 'geluTanh':
      return 0.5 * y * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (y + 0.044715 * y ** 3)));
    case 'silu':
      return y / (1 + Math.exp(-y));
    case 'relu':
      return Math.max(y, 0);
    default:
      return activation satisfies never;
  }
}

/** erf(x) = 2/√π e^(−x²) Σ 2^i x^(2i+1) / (2i+1)!!: all terms have one sign. */
function erf(x: number): number {
  if (!(Math.abs(x) <= 6)) return Math.sign(x); // or NaN
  let term = x;
  let sum = 0;
  for (let i = 1; sum + term !== sum; i++) {
    sum += term;
    term *= (2 * x * x) / (2 * i + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
