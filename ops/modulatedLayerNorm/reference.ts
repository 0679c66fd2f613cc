/**
 * What the op works on, as numbers; a factor or shift has a row for so many consecutive rows of x.
 */
export interface LayerNormNumbers {
  readonly x: ArrayLike<number>; // [rows, d]
  readonly gamma?: ArrayLike<number>; // [d]
  readonly beta?: ArrayLike<number>; // [d]
  readonly factor?: ArrayLike<number>; // [rows / k, d]
  readonly shift?: ArrayLike<number>; // [rows / k, d]
}

/** ((x − μ) / sqrt(σ² + ε) · gamma + beta) · factor + shift in float64; without `center` μ is 0. */
export function layerNormReference(
  { x, gamma, beta, factor, shift }: LayerNormNumbers,
  d: number,
  epsilon: number,
  center: boolean,
): Float64Array {
  const out = new Float64Array(x.length);
  const rows = x.length / d;
  const at = (values: ArrayLike<number> | undefined, row: number, c: number, otherwise: number) =>
    values?.[Math.floor((row * (values.length / d)) / rows) * d + c] ?? otherwise;
  for (let row = 0; row < rows; row++) {
    const values = Array.from({ length: d }, (_, c) => x[row * d + c]!);
    const mean = center ? values.reduce((sum, v) => sum + v, 0) / d : 0;
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / d;
    values.forEach((v, c) => {
      const normed = (v - mean) / Math.sqrt(variance + epsilon);
      const affine = normed * (gamma?.[c] ?? 1) + (beta?.[c] ?? 0);
      out[row * d + c] = affine * at(factor, row, c, 1) + at(shift, row, c, 0);
    });
  }
  return out;
}
