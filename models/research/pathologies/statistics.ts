import { InvalidArgumentError } from '../../../src/index.js';

/** What makes activations hard to quantize. */
export interface ActivationStatistics {
  /**
   * Median over samples and channels of |μ| / σ: a channel's mean over a sample's tokens, over its
   * standard deviation.
   */
  readonly meanToStd: number;
  /** Energy of the means as a share of all energy: tokens · Σ μ² / Σ x². */
  readonly meanEnergy: number;
  /** The largest magnitude of the largest channel, over that of the median channel. */
  readonly channelRatio: number;
  /** Of all values together: E(x − x̄)⁴ / (E(x − x̄)²)². A normal distribution has 3. */
  readonly kurtosis: number;
}

/** Least, median and largest of some magnitudes. */
export interface MagnitudeRange {
  readonly least: number;
  readonly median: number;
  readonly largest: number;
}

/** A channel that does not move must not divide by zero. */
const LEAST_STD = 1e-6;

/**
 * @param x [samples, tokens, d], row by row.
 * @throws InvalidArgumentError when x is not whole samples of two tokens at least.
 */
export function activationStatistics(
  x: Float32Array,
  tokens: number,
  d: number,
): ActivationStatistics {
  const samples = x.length / (tokens * d);
  if (!Number.isInteger(samples) || samples < 1 || tokens < 2) {
    const wanted = `samples of ${tokens} tokens of ${d} channels, two tokens at least`;
    throw new InvalidArgumentError('activationStatistics', 'x', wanted, `${x.length} values`);
  }
  const ratios = new Float64Array(samples * d);
  const reach = new Float64Array(d);
  let meanSquares = 0;
  for (let sample = 0; sample < samples; sample++) {
    const rows = x.subarray(sample * tokens * d, (sample + 1) * tokens * d);
    const { mean, std } = channelMoments(rows, tokens, d);
    for (let c = 0; c < d; c++) {
      ratios[sample * d + c] = Math.abs(mean[c]!) / (std[c]! + LEAST_STD);
      meanSquares += tokens * mean[c]! ** 2;
    }
    for (let at = 0; at < rows.length; at++) {
      reach[at % d] = Math.max(reach[at % d]!, Math.abs(rows[at]!));
    }
  }
  return {
    meanToStd: median(ratios),
    meanEnergy: meanSquares / x.reduce((sum, v) => sum + v * v, 0),
    channelRatio: reach.reduce((max, v) => Math.max(max, v), 0) / median(reach),
    kurtosis: kurtosis(x),
  };
}

/** Of |x|. */
export function magnitudeRange(x: Float32Array): MagnitudeRange {
  const magnitudes = Float64Array.from(x, Math.abs);
  return {
    least: magnitudes.reduce((min, v) => Math.min(min, v), Number.POSITIVE_INFINITY),
    median: median(magnitudes),
    largest: magnitudes.reduce((max, v) => Math.max(max, v), 0),
  };
}

/** Mean and standard deviation (n − 1) of each channel of x [tokens, d]. */
function channelMoments(
  x: Float32Array,
  tokens: number,
  d: number,
): { mean: Float64Array; std: Float64Array } {
  const mean = new Float64Array(d);
  const squares = new Float64Array(d);
  for (let at = 0; at < x.length; at++) mean[at % d]! += x[at]! / tokens;
  for (let at = 0; at < x.length; at++) squares[at % d]! += (x[at]! - mean[at % d]!) ** 2;
  return { mean, std: squares.map((sum) => Math.sqrt(sum / (tokens - 1))) };
}

function kurtosis(x: Float32Array): number {
  const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
  let second = 0;
  let fourth = 0;
  for (const v of x) {
    const square = (v - mean) ** 2;
    second += square;
    fourth += square * square;
  }
  return (fourth * x.length) / second ** 2;
}

/** The lower of the two in the middle, where there are two. */
function median(values: Float64Array): number {
  return values.slice().sort()[(values.length - 1) >> 1]!;
}
