import { expect } from 'chai';
import { codeOffset, type UniformFormat } from '../../../ops/numerics/formats.js';
import {
  hadamard,
  type Matrix,
  product,
  quantize,
  type Terms,
  type Transform,
  type Vector,
} from '../../../src/quantize/hadanorm.js';
import { EPS } from '../numbers/compare.js';

/** Numbers in one piece as rows. */
export function rowsOf(values: ArrayLike<number>, columns: number): Matrix {
  return Array.from({ length: values.length / columns }, (_, i) =>
    Array.from({ length: columns }, (_, j) => values[i * columns + j]!),
  );
}

/** What a file or a quantizer has of a transform; null for what it leaves out. */
export interface StoredTransform {
  readonly d: number;
  readonly sigma: ArrayLike<number> | null;
  readonly mean: ArrayLike<number> | null;
  readonly basis: ArrayLike<number> | null;
  readonly blockSize: number;
}

/** The transform of the equations that stored numbers make. */
export function transformOf({ d, sigma, mean, basis, blockSize }: StoredTransform): Transform {
  return {
    sigma: sigma === null ? new Array<number>(d).fill(1) : Array.from(sigma),
    h: hadamard(d, blockSize === 0 ? 1 : blockSize),
    mean: mean === null ? new Array<number>(d).fill(0) : Array.from(mean),
    basis: basis === null ? [] : rowsOf(basis, d),
  };
}

/**
 * What float32 may be off by in ((x − μ) / σ) H: of each number by its own size, and of the sums in
 * the mean, of so many tokens, and in H by as many roundings as they have terms.
 */
export function transformBound(x: Matrix, tokens: number, { sigma, mean }: Transform): number {
  const d = sigma.length;
  const largest = x.map((row) => row.map((v, c) => (Math.abs(v) + Math.abs(mean[c]!)) / sigma[c]!));
  const norms = largest.map((row) => Math.hypot(...row));
  return EPS * (tokens + d + 8) * Math.max(...norms);
}

/** Y, and what float32 may be off by in it: eps for each of its terms, of all their magnitudes. */
export function outputAndBound(terms: Terms): { y: Matrix; bound: Matrix } {
  const abs = (m: Matrix) => m.map((row) => row.map(Math.abs));
  const magnitudes = product({
    x: abs(terms.x),
    w: abs(terms.w),
    meanProduct: terms.meanProduct.map(Math.abs),
    coefficients: terms.coefficients.map(Math.abs),
    basisProduct: abs(terms.basisProduct),
    residual: terms.residual.map(Math.abs),
    bias: terms.bias.map(Math.abs),
  });
  const length = 2 * terms.residual.length + terms.coefficients.length + 8;
  return { y: product(terms), bound: magnitudes.map((row) => row.map((v) => EPS * length * v)) };
}

/** Checks |actual − expected| ≤ bound of every element. */
export function expectMatrix(actual: Matrix, expected: Matrix, bound: Matrix | number): void {
  expected.forEach((row, i) => {
    row.forEach((v, j) => {
      const most = typeof bound === 'number' ? bound : bound[i]![j]!;
      const off = Math.abs(actual[i]![j]! - v);
      // a message for every element would take most of the time; NaN is not at most anything
      if (off <= most) return;
      expect(off, `[${i}, ${j}]: ${actual[i]![j]} for ${v}`).to.be.at.most(most);
    });
  });
}

/** Values in [begin, end) of a row by groups. */
export function groupsOf(row: Vector, groupSize: number): Vector[] {
  return Array.from({ length: Math.ceil(row.length / groupSize) }, (_, g) =>
    row.slice(g * groupSize, (g + 1) * groupSize),
  );
}

/** A group as a kernel or the quantizer has it; codes as they are stored, if it has them. */
export interface RoundedGroup {
  readonly values: Vector;
  readonly codes?: Vector;
}

/**
 * Checks that values are those of the nearest codes of x', which may be off by `bound` itself: then
 * codes next to a tie may be one off. Returns how many were.
 */
export function expectNearest(
  { values, codes }: RoundedGroup,
  x: Vector,
  format: UniformFormat,
  bound: number,
): number {
  const exact = quantize(x, format);
  const { scale, zeroPoint } = exact;
  // ends that are off move the scale, and all values with it; the roundings of scale and quotient
  const off = (2 * bound) / scale + 8 * EPS * 2 ** format.bits;
  let ties = 0;
  exact.codes.forEach((code, i) => {
    const value = scale * (code - zeroPoint);
    const slack = off * scale;
    const stored = code + codeOffset(format);
    const same = Math.abs(values[i]! - value) <= slack && (codes?.[i] ?? stored) === stored;
    if (same) return;
    ties++;
    const quotient = x[i]! / scale;
    const what = `${values[i]} for ${value}, quotient ${quotient}`;
    const zero = -Math.min(0, ...x) / scale;
    expect(Math.min(fromTie(quotient), fromTie(zero)), what).to.be.at.most(off);
    expect(Math.abs(values[i]! - value), what).to.be.at.most(scale + slack);
    if (codes !== undefined) expect(Math.abs(codes[i]! - stored), what).to.be.at.most(1);
  });
  return ties;
}

function fromTie(v: number): number {
  return Math.abs(Math.abs(v - Math.trunc(v)) - 0.5);
}

/** B diag(σ) W as files store it, a row of coarse steps and for the first ones what these left. */
export interface StoredProduct {
  readonly n: number;
  readonly basis: {
    readonly rows: { readonly values: ArrayLike<number> };
    readonly scale: ArrayLike<number> | null;
  } | null;
}

/** The rows that it stands for, [rank, n]. */
export function storedProduct({ n, basis }: StoredProduct, rank: number): Matrix {
  const rows = basis === null ? [] : rowsOf(basis.rows.values, n);
  return Array.from({ length: rank }, (_, i) =>
    Array.from({ length: n }, (_, j) =>
      rows.reduce(
        (sum, row, k) => (k % rank === i ? sum + row[j]! * (basis?.scale?.[k] ?? 1) : sum),
        0,
      ),
    ),
  );
}

/** Checks that it is off by half a step at most: 8 bits of each row's largest magnitude, twice. */
export function expectStoredProduct(stored: StoredProduct, rank: number, exact: Matrix): void {
  const fine = (stored.basis?.scale?.length ?? 0) - rank;
  storedProduct(stored, rank).forEach((row, i) => {
    const largest = Math.max(...exact[i]!.map(Math.abs));
    const step = i < fine ? 1 / (127 * 127 * 4) : 1 / (127 * 2);
    expectMatrix([row], [exact[i]!], 1.01 * step * largest);
  });
}
