import { uniformNumbers } from '../../../ops/numerics/random.js';

/** The share of the replicates that an interval leaves out at each end. */
const TAIL = 0.025;

/** A figure and its 95 % interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * How often each of `size` things is drawn when `size` are drawn with replacement: one row of
 * counts [size] for each replicate. The same seed gives the same rows.
 */
export function resamplings(size: number, replicates: number, seed: number): Float32Array[] {
  const next = uniformNumbers(seed);
  return Array.from({ length: replicates }, () => {
    const counts = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      const drawn = Math.floor(next() * size);
      counts[drawn] = counts[drawn]! + 1;
    }
    return counts;
  });
}

/**
 * The 95 % percentile interval of a bootstrap, moved so that the replicates' mean is the figure
 * itself: a Fréchet distance is biased upwards by finite samples, and resampling a sample adds that
 * bias once more.
 */
export function estimateOf(value: number, replicates: readonly number[]): Estimate {
  const sorted = [...replicates].sort((a, b) => a - b);
  const bias = sorted.reduce((sum, one) => sum + one, 0) / sorted.length - value;
  return { value, low: quantile(sorted, TAIL) - bias, high: quantile(sorted, 1 - TAIL) - bias };
}

/** Linear between the two nearest. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}
