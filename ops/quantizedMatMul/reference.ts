/** What the op works on, as numbers: codes are not packed; where the weights are float32, they are the codes. */
export interface QuantizedMatMulNumbers {
  readonly x: ArrayLike<number>; // [samples, tokens, d]
  readonly codes: ArrayLike<number>; // [d, n]
  readonly scale?: ArrayLike<number>; // [groups, n]; absent: 1
  readonly bias?: ArrayLike<number>; // [n]
  readonly rest?: ArrayLike<number>; // [samples, d]
  readonly coefficients?: ArrayLike<number>; // [samples, r]
  readonly basis?: ArrayLike<number>; // [r, n]
}

/** What `quantizedMatMulReference` returns, float64 [samples, tokens, n]. */
export interface QuantizedMatMulReference {
  values: Float64Array;
  /** Sums of the magnitudes of all that was added: what rounding errors are proportional to. */
  magnitudes: Float64Array;
}

/** The op in float64, output by output from its definition. */
export function quantizedMatMulReference(
  { x, codes, scale, bias, rest, coefficients, basis }: QuantizedMatMulNumbers,
  samples: number,
  d: number,
  n: number,
  groupSize: number,
): QuantizedMatMulReference {
  const rows = x.length / d;
  const rank = basis === undefined ? 0 : basis.length / n;
  const weight = (k: number, j: number) =>
    codes[k * n + j]! * (scale?.[Math.floor(k / groupSize) * n + j] ?? 1);
  const out = { values: new Float64Array(rows * n), magnitudes: new Float64Array(rows * n) };
  for (let row = 0; row < rows; row++) {
    const sample = Math.floor((row * samples) / rows);
    for (let j = 0; j < n; j++) {
      const terms = [bias?.[j] ?? 0];
      for (let k = 0; k < d; k++) terms.push(x[row * d + k]! * weight(k, j));
      if (rest !== undefined) {
        for (let k = 0; k < d; k++) terms.push(rest[sample * d + k]! * weight(k, j));
      }
      for (let i = 0; i < rank; i++) {
        terms.push(coefficients![sample * rank + i]! * basis![i * n + j]!);
      }
      out.values[row * n + j] = terms.reduce((sum, term) => sum + term);
      out.magnitudes[row * n + j] = terms.reduce((sum, term) => sum + Math.abs(term), 0);
    }
  }
  return out;
}
