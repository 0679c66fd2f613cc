import { codeRange, hasZeroPoint, type UniformFormat } from '../../ops/numerics/formats.js';
import { hadamardPlan, orthonormalRow } from '../../ops/numerics/hadamard.js';

/**
 * HadaNorm (Federici et al., arXiv 2506.09932), equation by equation, in float64: what the
 * quantizer beside it and the kernels compute fast, and are tested against. Rows are tokens, as in
 * tfjs.
 *
 * A linear of a diffusion transformer is Y = X W + b; X: [tokens, d] of one sample, W: [d, n],
 * b: [n]. Few bits serve X badly: some channels are far larger than others, and some have a large
 * mean, which all tokens share. So the mean is taken out and sent another way, σ balances the
 * channels, and a rotation H spreads over all of them what still stands out:
 *
 *   (1) μ  = mean over the tokens of X that count                [d]
 *   (2) σ  = ± sqrt(std / ‖w‖)                                   [d]
 *   (3) X' = ((X − μ) / σ) H                                     [tokens, d]
 *   (4) W' = Hᵀ diag(σ) W                                        [d, n]
 *   (5) Q  = scale · (code − zero point)
 *   (6) μ  = μ̄ + σ (c B + δ Hᵀ)
 *   (7) Y  = Q(X') Q(W') + (μ̄ W + c (B diag(σ) W) + δ Q(W')) + b
 *
 * Beside the codes there may be a branch of a few directions V, which few bits serve worst:
 *
 *   (8) Y  = Q(X'⊥) Q(W'⊥) + ((X' + δ) V) R + (μ̄ W + δ⊥ Q(W'⊥)) + b
 *
 * W'⊥ = W' − V Vᵀ W' is what is rounded. X'⊥ is X' or, where activations have few bits, X' less
 * what goes along V; δ⊥ likewise. R has the least error of all by the second moments of what comes,
 * so it also makes up for what Q(W'⊥) has along V. The branch carries the mean: it needs no B.
 *
 * As H Hᵀ = 1, X' W' = (X − μ) W, and without Q the bracket of (7) is μ W: Y is X W + b. With Q the
 * errors of X' differ from token to token, while an error in the bracket is the same for all of
 * them. So what is known of μ before it comes goes through W as it was: μ̄, its mean over the
 * calibration data, and the directions B in which it varies most. Only δ, the residual, goes
 * through Q(W'). W', μ̄ W and B diag(σ) W are made once; μ, X', c and δ while the model runs.
 *
 * Other methods are (3) to (5) with parts left out: SmoothQuant has another σ, no μ and no H;
 * QuaRot has H alone. σ, μ̄ and B are those of a file, rounded; all else follows from the rounded
 * ones.
 */

/** What (3) to (7) go by, for all linears that read X. */
export interface Transform {
  readonly sigma: Vector; // [d]
  readonly h: Matrix; // [d, d], orthonormal
  readonly mean: Vector; // μ̄: [d]
  readonly basis: Matrix; // B: [r, d], orthonormal rows
}

export type Vector = readonly number[];
export type Matrix = readonly Vector[];

/** (1) Of one sample, never across a batch; padded tokens, where `counts` is false, stay out. */
export function tokenMean(x: Matrix, counts: readonly boolean[] = x.map(() => true)): Vector {
  const rows = x.filter((_, token) => counts[token]);
  return x[0]!.map((_, c) => sum(rows.map((row) => row[c]!)) / rows.length);
}

/**
 * (2) The errors of (7) are proportional to (Σ var / σ²)(Σ σ² ‖w‖²), which this σ makes least. GPTQ
 * turns errors away from where X varies by itself, and wants std^¼. A factor that all of σ share
 * changes nothing.
 *
 * @param std Of each channel of X − μ over the calibration data, [d].
 * @param w The weights of all linears that read X, side by side: ‖w‖ are the norms of their rows.
 * @param signs ±1, random: without them a token that is like a row of H ends up in one channel.
 */
export function balancedScale(std: Vector, w: Matrix, signs: Vector, gptq = false): Vector {
  const norms = w.map((row) => Math.hypot(...row));
  return std.map((s, c) => (signs[c]! * s ** (gptq ? 0.25 : 0.5)) / Math.sqrt(norms[c]!));
}

/** H: a Hadamard matrix, ±1 / √size, for each block of neighbouring channels. */
export function hadamard(d: number, blockSize = d): Matrix {
  const plan = hadamardPlan('hadamard', blockSize);
  return Array.from({ length: d }, (_, i) => {
    const row = orthonormalRow(plan, i % blockSize);
    const start = i - (i % blockSize);
    return Array.from({ length: d }, (_, j) => row[j - start] ?? 0);
  });
}

/** (3) X: [tokens, d] → X' [tokens, d]. */
export function transform(x: Matrix, mu: Vector, { sigma, h }: Omit<Transform, 'mean' | 'basis'>) {
  const normalized = x.map((row) => row.map((v, c) => (v - mu[c]!) / sigma[c]!));
  return matmul(normalized, h);
}

/** (4) W: [d, n] → W' [d, n]. */
export function transformedWeights(w: Matrix, { sigma, h }: Pick<Transform, 'sigma' | 'h'>) {
  return matmul(transpose(h), scaledRows(w, sigma));
}

/** (5) Values that share a scale, as codes. */
export interface Codes {
  readonly codes: Vector;
  readonly scale: number;
  readonly zeroPoint: number;
}

/** (5) The nearest codes, ties to even: of a token, a group of its channels, or of weights. */
export function quantize(values: Vector, format: UniformFormat): Codes {
  const { qMin, qMax } = codeRange(format);
  const [lo, hi] = [Math.min(0, ...values), Math.max(0, ...values)];
  const scale = (hasZeroPoint(format) ? hi - lo : Math.max(-lo, hi)) / qMax || 1;
  const zeroPoint = hasZeroPoint(format) ? roundHalfToEven(-lo / scale) : 0;
  const code = (v: number) => roundHalfToEven(v / scale) + zeroPoint;
  return { codes: values.map((v) => Math.min(Math.max(code(v), qMin), qMax)), scale, zeroPoint };
}

/** (5) The numbers that codes stand for. */
export function dequantize({ codes, scale, zeroPoint }: Codes): Vector {
  return codes.map((code) => scale * (code - zeroPoint));
}

/** (6) c = off Bᵀ [r] and δ = (off − c B) H [d], for off = (μ − μ̄) / σ. */
export function splitMean(mu: Vector, { sigma, h, mean, basis }: Transform) {
  const off = mu.map((v, c) => (v - mean[c]!) / sigma[c]!);
  const coefficients = basis.map((direction) => dot(off, direction));
  const along = off.map((_, c) => sum(basis.map((row, i) => coefficients[i]! * row[c]!)));
  const [residual] = matmul([off.map((v, c) => v - along[c]!)], h);
  return { coefficients, residual: residual! };
}

/** B diag(σ) W [r, n]: what the directions of the mean do to Y. */
export function basisProduct({ basis, sigma }: Pick<Transform, 'basis' | 'sigma'>, w: Matrix) {
  return matmul(basis, scaledRows(w, sigma));
}

/** (8) Rows [count, d] as what goes along V [d, r], and what is left for the codes. */
export function splitAlong(rows: Matrix, v: Matrix, subtract: boolean) {
  const along = matmul(rows, v);
  if (!subtract) return { along, left: rows };
  const taken = matmul(along, transpose(v));
  return { along, left: rows.map((row, i) => row.map((value, c) => value - taken[i]![c]!)) };
}

/** (8) R [r, n] with the least error by the moments H [d, d], damped, from Q(W'⊥) [d, n]. */
export function branchWeights(h: Matrix, v: Matrix, w: Matrix, q: Matrix, subtract: boolean) {
  const through = subtract ? splitAlong(transpose(q), v, true).left : transpose(q);
  const error = transpose(w).map((row, j) => row.map((value, k) => value - through[j]![k]!));
  const image = matmul(transpose(v), h); // Vᵀ H: [r, d]
  return solve(matmul(image, v), matmul(image, transpose(error)));
}

/** (7) What is multiplied and added. */
export interface Terms {
  readonly x: Matrix; // Q(X'): [tokens, d]
  readonly w: Matrix; // Q(W'): [d, n]
  readonly meanProduct: Vector; // μ̄ W: [n]
  readonly coefficients: Vector; // c: [r]
  readonly basisProduct: Matrix; // B diag(σ) W: [r, n]
  readonly residual: Vector; // δ: [d]
  readonly bias: Vector; // [n]
}

/** (7) Y [tokens, n]: the bracket is one row, added to that of every token. */
export function product({ x, w, residual, coefficients, ...rows }: Terms): Matrix {
  const [through] = matmul([residual], w);
  const columns = rows.bias.map((b, j) => {
    const along = sum(coefficients.map((c, i) => c * rows.basisProduct[i]![j]!));
    return rows.meanProduct[j]! + along + through![j]! + b;
  });
  return matmul(x, w).map((row) => row.map((v, j) => v + columns[j]!));
}

/** All of it: Y of one sample, with Q by the caller's choice. Without any it is X W + b. */
export function hadanorm(
  x: Matrix,
  w: Matrix,
  bias: Vector,
  t: Transform,
  rounded: { readonly x?: (x: Matrix) => Matrix; readonly w?: (w: Matrix) => Matrix } = {},
): Matrix {
  const asItIs = (m: Matrix) => m;
  const mu = tokenMean(x);
  return product({
    x: (rounded.x ?? asItIs)(transform(x, mu, t)),
    w: (rounded.w ?? asItIs)(transformedWeights(w, t)),
    meanProduct: matmul([t.mean], w)[0]!,
    basisProduct: basisProduct(t, w),
    ...splitMean(mu, t),
    bias,
  });
}

/** a⁻¹ b by Gauss and Jordan, for a [r, r] with pivots on its diagonal. */
function solve(a: Matrix, b: Matrix): Matrix {
  const rows = a.map((row, i) => [...row, ...b[i]!]);
  for (let p = 0; p < rows.length; p++) {
    const pivot = rows[p]!.map((v) => v / rows[p]![p]!);
    for (let i = 0; i < rows.length; i++) {
      const factor = rows[i]![p]!;
      rows[i] = i === p ? pivot : rows[i]!.map((v, j) => v - factor * pivot[j]!);
    }
  }
  return rows.map((row) => row.slice(a.length));
}

function sum(values: Vector): number {
  return values.reduce((total, v) => total + v, 0);
}

function dot(a: Vector, b: Vector): number {
  return sum(a.map((v, i) => v * b[i]!));
}

function transpose(m: Matrix): Matrix {
  return m[0]!.map((_, j) => m.map((row) => row[j]!));
}

function matmul(a: Matrix, b: Matrix): Matrix {
  const columns = transpose(b);
  return a.map((row) => columns.map((column) => dot(row, column)));
}

function scaledRows(m: Matrix, factors: Vector): Matrix {
  return m.map((row, i) => row.map((v) => factors[i]! * v));
}

function roundHalfToEven(v: number): number {
  const floor = Math.floor(v);
  const fraction = v - floor;
  if (fraction === 0.5) return floor + (floor % 2 === 0 ? 0 : 1);
  return fraction < 0.5 ? floor : floor + 1;
}
