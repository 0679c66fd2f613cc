import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../../../src/index.js';

/** Rows whose kernel values are held at a time. */
const BLOCK = 512;

/** What is compared, and how. */
export interface KernelDistanceInput {
  /** Features [n, width] and [m, width]. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly width: number;
  /**
   * How often each row counts, a row of [n] or [m] for each distance wanted; without them each
   * counts once. Where paired, y counts as x does.
   */
  readonly counts?: { readonly x: readonly Float32Array[]; readonly y: readonly Float32Array[] };
  /** Whether row i of y was made from the same noise as row i of x. */
  readonly paired: boolean;
}

/** Which pairs of rows a mean is over. */
interface Mean {
  readonly rows: Float32Array;
  readonly columns: Float32Array;
  readonly rowCounts: readonly Float32Array[];
  readonly columnCounts: readonly Float32Array[];
  /** Leaves out pairs (i, i). */
  readonly distinct: boolean;
}

/**
 * The kernel distance of two sets of features (KID, Bińkowski et al. 2018): the unbiased estimate
 * of the squared maximum mean discrepancy with the kernel (xᵀy / d + 1)³; below 0 where the sets
 * are closer than chance has them.
 *
 * A row is never compared with itself, nor, within one resampling, with its own copies. Of paired
 * sets, the cross term leaves out the pairs, which are not independent (Gretton et al. 2012, the
 * U-statistic of h).
 *
 * @returns A distance for each row of counts.
 * @throws InvalidArgumentError for sets that do not fit.
 */
export async function kernelDistances(input: KernelDistanceInput): Promise<number[]> {
  const { x, y, width, paired } = input;
  const [n, m] = [x.length / width, y.length / width];
  check('x', `two rows of ${width} or more`, n, Number.isInteger(n) && n >= 2);
  check('y', `two rows of ${width} or more`, m, Number.isInteger(m) && m >= 2);
  check('y', `${n} rows, as many as x`, m, !paired || n === m);
  const ofX = input.counts?.x ?? [new Float32Array(n).fill(1)];
  const ofY = paired ? ofX : (input.counts?.y ?? [new Float32Array(m).fill(1)]);
  check('counts.y', `${ofX.length} rows`, ofY.length, ofX.length === ofY.length);
  const mean = (
    [rows, rowCounts]: readonly [Float32Array, readonly Float32Array[]],
    [columns, columnCounts]: readonly [Float32Array, readonly Float32Array[]],
    distinct: boolean,
  ) => meanKernels({ rows, columns, rowCounts, columnCounts, distinct }, width);
  const within = await mean([x, ofX], [x, ofX], true);
  const others = await mean([y, ofY], [y, ofY], true);
  const across = await mean([x, ofX], [y, ofY], paired);
  return within.map((value, i) => value + others[i]! - 2 * across[i]!);
}

/**
 * For each row of counts the mean of k − 1: the 1 is in every mean, and float32 is better spent on
 * the rest.
 */
async function meanKernels(what: Mean, width: number): Promise<number[]> {
  const { rowCounts, columnCounts, distinct } = what;
  const sums = await weightedSums(what, width);
  const diagonal = distinct ? diagonalOf(what, width) : null;
  return sums.map((sum, replicate) => {
    const [a, b] = [rowCounts[replicate]!, columnCounts[replicate]!];
    const total = (counts: Float32Array) => counts.reduce((all, count) => all + count, 0);
    let [kernel, pairs] = [sum, total(a) * total(b)];
    if (diagonal !== null) {
      for (let i = 0; i < a.length; i++) {
        kernel -= a[i]! * b[i]! * diagonal[i]!;
        pairs -= a[i]! * b[i]!;
      }
    }
    return kernel / pairs;
  });
}

/**
 * Σᵢⱼ aᵢ bⱼ (k(xᵢ, yⱼ) − 1) for each row of counts a, b: products of the counts by the kernel's
 * values, in blocks.
 */
async function weightedSums(
  { rows, columns, rowCounts, columnCounts }: Mean,
  width: number,
): Promise<number[]> {
  const [n, m] = [rows.length / width, columns.length / width];
  const sums = rowCounts.map(() => 0);
  const transposed = tf.tidy(() => tf.transpose(tf.tensor2d(columns, [m, width])));
  for (let start = 0; start < n; start += BLOCK) {
    const end = Math.min(start + BLOCK, n);
    const counts = new Float32Array(rowCounts.length * (end - start));
    rowCounts.forEach((row, i) => {
      counts.set(row.subarray(start, end), i * (end - start));
    });
    const block = rows.subarray(start * width, end * width);
    // [replicates, block] · [block, m]
    const weighted = tf.tidy(() => {
      const kernel = kernelValues(tf.tensor2d(block, [end - start, width]), transposed, width);
      return tf.matMul(tf.tensor2d(counts, [rowCounts.length, end - start]), kernel);
    });
    const values = await weighted.data();
    weighted.dispose();
    columnCounts.forEach((row, i) => {
      let sum = 0;
      for (let j = 0; j < m; j++) sum += row[j]! * values[i * m + j]!;
      sums[i] = sums[i]! + sum;
    });
  }
  transposed.dispose();
  return sums;
}

/** (x y / d + 1)³ − 1. */
function kernelValues(x: tf.Tensor2D, y: tf.Tensor2D, width: number): tf.Tensor2D {
  const s = tf.div(tf.matMul(x, y), width);
  // s³ + 3 s² + 3 s
  return tf.mul(s, tf.add(tf.mul(s, tf.add(s, 3)), 3));
}

/** k(xᵢ, yᵢ) − 1. */
function diagonalOf({ rows, columns }: Mean, width: number): Float64Array {
  return Float64Array.from({ length: rows.length / width }, (_, row) => {
    let product = 0;
    for (let i = row * width; i < (row + 1) * width; i++) product += rows[i]! * columns[i]!;
    return (product / width + 1) ** 3 - 1;
  });
}

function check(argument: string, wanted: string, got: number, right: boolean): void {
  if (!right) throw new InvalidArgumentError('kernelDistances', argument, wanted, `${got}`);
}
