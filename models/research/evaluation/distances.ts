import { seedOf } from '../../../ops/numerics/random.js';
import { type Estimate, estimateOf, resamplings } from './bootstrap.js';
import { frechetDistance, type Gaussian, gaussianOf } from './frechet.js';
import { kernelDistances } from './kernelDistance.js';

/** How far apart two sets of pictures are. */
export interface Distances {
  /** Fréchet distance of the features. */
  readonly fid: Estimate;
  /** Kernel distance of the features. */
  readonly kid: Estimate;
}

/** How sets are resampled. */
export interface Resampling {
  /** Width of the features. */
  readonly width: number;
  readonly seed: number;
  /** Resamplings for the intervals. */
  readonly replicates: number;
}

/**
 * Features with resamplings of them; of sets of one origin the same rows are drawn: pairs stay
 * pairs.
 */
export class ResampledSet {
  readonly width: number;
  /** How often each row counts: the first time once, then in each resampling. */
  readonly counts: readonly Float32Array[];
  private made: readonly Gaussian[] | null = null;

  /** @param origin Such as 'samples': sets of one origin are compared as pairs. */
  constructor(
    readonly features: Float32Array,
    readonly origin: string,
    { width, seed, replicates }: Resampling,
  ) {
    const size = features.length / width;
    const drawn = resamplings(size, replicates, seedOf(origin, seed));
    this.width = width;
    this.counts = [new Float32Array(size).fill(1), ...drawn];
  }

  /** Of each row of counts. */
  get gaussians(): readonly Gaussian[] {
    this.made ??= this.counts.map((counts) => gaussianOf(this.features, this.width, counts));
    return this.made;
  }
}

/** Puts features where distances have no unit: see `featureScaleOf`. */
export interface FeatureScale {
  /** [width]. */
  readonly mean: Float64Array;
  /** Root mean square of the features' deviation from their means: one number for all. */
  readonly deviation: number;
}

/** FID and KID of two sets of features, with bootstrap intervals: both sets are resampled. */
export async function distancesOf(x: ResampledSet, y: ResampledSet): Promise<Distances> {
  const [kid, ...kids] = await kernelDistances({
    x: x.features,
    y: y.features,
    width: x.width,
    counts: { x: x.counts, y: y.counts },
    paired: x.origin === y.origin,
  });
  const [fid, ...fids] = x.gaussians.map((own, i) => frechetDistance(own, y.gaussians[i]!));
  return { fid: estimateOf(fid!, fids), kid: estimateOf(kid!, kids) };
}

/**
 * The scale of real pictures' features: their mean, and one deviation for all of them, so that a
 * feature weighs what the network gives it and one that hardly ever changes is not blown up.
 */
export function featureScaleOf(features: Float32Array, width: number): FeatureScale {
  const { mean, covariance } = gaussianOf(features, width);
  let variance = 0;
  for (let i = 0; i < width; i++) variance += covariance[i * width + i]! / width;
  return { mean, deviation: Math.sqrt(variance) };
}

/** (features − mean) / deviation. */
export function scaledFeatures(
  features: Float32Array,
  { mean, deviation }: FeatureScale,
): Float32Array {
  return features.map((value, i) => (value - mean[i % mean.length]!) / deviation);
}
