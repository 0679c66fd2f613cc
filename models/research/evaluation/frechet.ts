import { InvalidArgumentError } from '../../../src/index.js';
import { symmetricEigenvalues } from './eigenvalues.js';

/** Rows that are added up at a time: as float64 they stay in a core's cache. */
const BLOCK = 128;

/** Variance that is none, as a share of the largest. */
const NO_VARIANCE = 1e-12;

/** A normal distribution: mean [d] and covariance [d, d]. */
export interface Gaussian {
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
}

/**
 * Mean and covariance (over n − 1) of rows of features.
 *
 * @param features Row-major [n, width].
 * @param counts How often each row counts, [n]: of a resampling, say. Default once.
 * @throws InvalidArgumentError for fewer than two rows.
 */
export function gaussianOf(features: Float32Array, width: number, counts?: Float32Array): Gaussian {
  const rows = features.length / width;
  const total = counts === undefined ? rows : counts.reduce((sum, count) => sum + count, 0);
  if (!Number.isInteger(rows) || total < 2) {
    const got = `${features.length} numbers`;
    throw new InvalidArgumentError('gaussianOf', 'features', `two rows of ${width} or more`, got);
  }
  const mean = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    const weight = (counts?.[row] ?? 1) / total;
    for (let i = 0; i < width; i++) mean[i] = mean[i]! + weight * features[row * width + i]!;
  }
  const covariance = new Float64Array(width * width);
  for (let start = 0; start < rows; start += BLOCK) {
    addProducts(covariance, centeredColumns(features, mean, counts, start), width);
  }
  for (let i = 0; i < width; i++) {
    for (let j = i; j < width; j++) {
      const value = covariance[i * width + j]! / (total - 1);
      covariance[i * width + j] = value;
      covariance[j * width + i] = value;
    }
  }
  return { mean, covariance };
}

/**
 * The Fréchet distance of two normal distributions, squared as FID has it (Heusel et al. 2017):
 * |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁ Σ₂)^½. Covariances may be singular.
 */
export function frechetDistance(a: Gaussian, b: Gaussian): number {
  const width = a.mean.length;
  let distance = 0;
  for (let i = 0; i < width; i++) {
    distance += (a.mean[i]! - b.mean[i]!) ** 2;
    distance += a.covariance[i * width + i]! + b.covariance[i * width + i]!;
  }
  // Σ₁ = L Lᵀ, and Lᵀ Σ₂ L has the eigenvalues of Σ₁ Σ₂
  const { factor, rank } = factored(a.covariance, width);
  const product = symmetricProduct(factor, rank, b.covariance, width);
  for (const value of symmetricEigenvalues(product, rank)) {
    // below 0 by rounding alone
    distance -= 2 * Math.sqrt(Math.max(0, value));
  }
  return distance;
}

/** [width, rows that count] of a block of rows, centered, each row times the root of its count. */
function centeredColumns(
  features: Float32Array,
  mean: Float64Array,
  counts: Float32Array | undefined,
  start: number,
): Float64Array {
  const width = mean.length;
  const end = Math.min(start + BLOCK, features.length / width);
  const used: number[] = [];
  for (let row = start; row < end; row++)
    if (counts === undefined || counts[row]! > 0) used.push(row);
  const columns = new Float64Array(width * used.length);
  used.forEach((row, at) => {
    const root = Math.sqrt(counts?.[row] ?? 1);
    for (let i = 0; i < width; i++) {
      columns[i * used.length + at] = root * (features[row * width + i]! - mean[i]!);
    }
  });
  return columns;
}

/**
 * The upper triangle of `sums` += columns · columnsᵀ; four sums at a time: one chain of additions
 * stalls.
 */
function addProducts(sums: Float64Array, columns: Float64Array, width: number): void {
  const length = columns.length / width;
  for (let i = 0; i < width; i++) {
    const own = columns.subarray(i * length, (i + 1) * length);
    let j = i;
    for (; j + 4 <= width; j += 4) {
      const at = j * length;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let k = 0; k < length; k++) {
        const value = own[k]!;
        s0 += value * columns[at + k]!;
        s1 += value * columns[at + length + k]!;
        s2 += value * columns[at + 2 * length + k]!;
        s3 += value * columns[at + 3 * length + k]!;
      }
      const to = i * width + j;
      sums[to] = sums[to]! + s0;
      sums[to + 1] = sums[to + 1]! + s1;
      sums[to + 2] = sums[to + 2]! + s2;
      sums[to + 3] = sums[to + 3]! + s3;
    }
    for (; j < width; j++) {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += own[k]! * columns[j * length + k]!;
      sums[i * width + j] = sums[i * width + j]! + sum;
    }
  }
}

/**
 * Σ = L Lᵀ by Cholesky with the largest pivot first (Golub & Van Loan, §4.2.8): Lᵀ [rank, width].
 */
function factored(covariance: Float64Array, width: number) {
  const rest = Float64Array.from({ length: width }, (_, i) => covariance[i * width + i]!);
  const min = NO_VARIANCE * Math.max(...rest);
  const factor = new Float64Array(width * width);
  let rank = 0;
  for (; rank < width; rank++) {
    const pivot = rest.indexOf(Math.max(...rest));
    if (!(rest[pivot]! > min)) break;
    const root = Math.sqrt(rest[pivot]!);
    const row = rank * width;
    for (let i = 0; i < width; i++) {
      let value = covariance[pivot * width + i]!;
      for (let k = 0; k < row; k += width) value -= factor[k + pivot]! * factor[k + i]!;
      factor[row + i] = value / root;
      rest[i] = rest[i]! - (value / root) ** 2;
    }
    rest[pivot] = 0;
  }
  return { factor, rank };
}

/** Lᵀ Σ L [rank, rank], of Lᵀ [rank, width]. */
function symmetricProduct(
  factor: Float64Array,
  rank: number,
  covariance: Float64Array,
  width: number,
): Float64Array {
  const product = new Float64Array(rank * rank);
  const row = new Float64Array(width);
  for (let i = 0; i < rank; i++) {
    row.fill(0);
    for (let k = 0; k < width; k++) {
      const value = factor[i * width + k]!;
      for (let j = 0; j < width; j++) row[j] = row[j]! + value * covariance[k * width + j]!;
    }
    for (let j = i; j < rank; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += row[k]! * factor[j * width + k]!;
      product[i * rank + j] = sum;
      product[j * rank + i] = sum;
    }
  }
  return product;
}
