import { FEATURES } from '../featureGraph.js';
import type { FeatureReference } from '../features.js';
import {
  distancesOf,
  type FeatureScale,
  featureScaleOf,
  ResampledSet,
  type Resampling,
  scaledFeatures,
} from './distances.js';
import type { SampledFeatures } from './featureCache.js';
import { classAccuracy } from './readings.js';
import type { OfflineRow, RowKey } from './rows.js';

/** What part (d) measures: a row without its key. */
export type OfflineFigures = Omit<OfflineRow, keyof RowKey>;

/** Real pictures, which sets of samples are compared with. */
export class RealPictures {
  /** Of those that the model learned from. */
  private readonly scale: FeatureScale;
  private readonly train: ResampledSet;
  private readonly heldOut: ResampledSet;
  private readonly resampling: Resampling;

  constructor(reference: FeatureReference, resampling: Omit<Resampling, 'width'>) {
    this.resampling = { ...resampling, width: FEATURES };
    this.scale = featureScaleOf(reference.train, FEATURES);
    this.train = this.setOf(reference.train, 'train');
    this.heldOut = this.setOf(reference.heldOut, 'heldOut');
  }

  /** Real pictures of either kind. */
  get count(): number {
    return this.heldOut.features.length / FEATURES;
  }

  /** Features on the scale of real ones, and resamplings of them. All samples are of one origin. */
  setOf(features: Float32Array, origin: 'train' | 'heldOut' | 'samples'): ResampledSet {
    return new ResampledSet(scaledFeatures(features, this.scale), origin, this.resampling);
  }

  /** How far real pictures are from real pictures: what no model can be told to stay below. */
  async floor(): Promise<OfflineFigures> {
    const real = await distancesOf(this.heldOut, this.train);
    const { replicates } = this.resampling;
    return { count: this.count, replicates, real, original: null, classAccuracy: null };
  }

  /**
   * How far samples are from real pictures, and from the original's samples of the same noise,
   * where given.
   */
  async figures(sampled: SampledFeatures, originals: ResampledSet | null): Promise<OfflineFigures> {
    const own = this.setOf(sampled.features, 'samples');
    return {
      count: sampled.labels.length,
      replicates: this.resampling.replicates,
      real: await distancesOf(own, this.train),
      original: originals === null ? null : await distancesOf(own, originals),
      classAccuracy: classAccuracy(sampled.classes, sampled.labels),
    };
  }
}
