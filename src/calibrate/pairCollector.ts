import { maskText } from '../recognize/tokenMask.js';
import { addSamples, type BatchOrigins } from './batchSamples.js';
import { type CountedTokens, countedTokensLater } from './countedTokens.js';
import { addCrossLater, addScatterLater, centeredRows } from './scatter.js';
import type { Target } from './settings.js';
import { emptySite, type KeepOptions, mergeSites, type SiteStats } from './siteStats.js';
import type { Tapped } from './tap.js';

/**
 * Gathers the statistics of some sites in a model that is quantized up to there: as a calibration
 * of that model would, and beside them what the same tokens have in the original.
 */
export class PairCollector {
  private readonly gathered: SiteStats[];

  constructor(
    private readonly targets: readonly Target[],
    private readonly keep: KeepOptions,
  ) {
    this.gathered = targets.map(({ site: { d }, hessian, mask }) => ({
      ...emptySite(d, hessian, mask && maskText(mask)),
      original: {
        sum: new Float64Array(d),
        cross: hessian ? new Float64Array(d * d) : null,
        changes: hessian ? new Float64Array((d * (d + 1)) / 2) : null,
      },
    }));
  }

  /** By the sites' keys: of the batches that were added to all of them. */
  sites(): [string, SiteStats][] {
    return this.targets.map(({ key }, i) => [key, this.gathered[i]!]);
  }

  /** A site's tensor of one batch, in the quantized model and in the original. */
  async add(
    index: number,
    origins: BatchOrigins,
    tapped: Tapped,
    inOriginal: Tapped,
  ): Promise<void> {
    const { site, mask } = this.targets[index]!;
    const now = await countedTokensLater(site, tapped);
    const there = await countedTokensLater(site, inOriginal);
    const before = this.gathered[index]!;
    const pending = emptySite(site.d, false, mask && maskText(mask));
    const means = addSamples(pending, now, origins, this.keep, there.values);
    // sums that grow in place are taken out of what is merged
    const { scatter, original, ...rest } = before;
    const merged = mergeSites({ ...rest, scatter: null }, pending, this.keep);
    this.gathered[index] = { ...merged, scatter, original: original! };
    await this.addProducts(index, now, there, means);
  }

  private async addProducts(
    index: number,
    { values, counts }: CountedTokens,
    there: CountedTokens,
    means: readonly Float32Array[],
  ): Promise<void> {
    const { d, scatter, original } = this.gathered[index]!;
    const { sum, cross, changes } = original!;
    there.values.forEach((v, at) => {
      sum[at % d] = sum[at % d]! + v;
    });
    if (scatter === null || cross === null || changes === null) return;
    const centered = centeredRows(values, means, counts, d);
    await addScatterLater(scatter, centered, d);
    const apart = there.values.map((v, at) => v - values[at]!);
    const changed = centeredRows(apart, meansOf(apart, counts, d), counts, d);
    await addCrossLater(cross, centered, changed, d);
    await addScatterLater(changes, changed, d);
  }
}

/** The mean of each sample's tokens, of values [Σ counts, d]. */
function meansOf(values: Float32Array, counts: readonly number[], d: number): Float32Array[] {
  let at = 0;
  return counts.map((count) => {
    const sum = new Float64Array(d);
    for (let token = 0; token < count; token++) {
      for (let c = 0; c < d; c++, at++) sum[c] = sum[c]! + values[at]!;
    }
    return Float32Array.from(sum, (total) => total / Math.max(count, 1));
  });
}
