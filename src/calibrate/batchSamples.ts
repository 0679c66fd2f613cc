import type { CountedTokens } from './countedTokens.js';
import type { InputHashes } from './inputHash.js';
import { addSample, type KeepOptions, type SiteStats } from './siteStats.js';

/** What the samples of a batch are known by. */
export interface BatchOrigins {
  readonly hashes: InputHashes;
  /** Of each sample of the batch; none where no input has them. */
  readonly times: readonly number[];
}

/**
 * Adds the samples of one tensor of a batch to its site; their means.
 * @param original The same tokens in the original model, where `values` are of another.
 */
export function addSamples(
  site: SiteStats,
  { values, counts }: CountedTokens,
  { hashes, times }: BatchOrigins,
  keep: KeepOptions,
  original?: Float32Array,
): Float32Array[] {
  const samples = counts.length;
  const means: Float32Array[] = [];
  let start = 0;
  for (const [sample, count] of counts.entries()) {
    const timestep = times[Math.floor((sample * times.length) / samples)] ?? null;
    const hash = hashes.of(sample, samples);
    const origin = { hash, timestep, ...(original && { original }) };
    // a sample that is padding alone is none
    const none = () => new Float32Array(site.d);
    means.push(count === 0 ? none() : addSample(site, values, start, count, origin, keep));
    start += count * site.d;
  }
  return means;
}
