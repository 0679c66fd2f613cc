import type { SiteStats } from '../calibrate/siteStats.js';

/** Kept tokens of a site, to measure quantization on. */
export interface Samples {
  readonly rows: Float32Array; // x: [count, d]
  readonly count: number;
  readonly means: Float32Array; // μ of each sample: [samples, d]
  readonly sampleOf: Int32Array; // [count], which sample a row is of
  readonly timestepOf: readonly (number | null)[]; // of each sample
  /** The same tokens in the original model, [count, d], of a sequential calibration; else null. */
  readonly originals: Float32Array | null;
}

/** The tokens that calibration kept, or null where it kept none. */
export function samplesOf(stats: SiteStats | null): Samples | null {
  const { d } = stats ?? { d: 0 };
  const kept = stats?.kept.filter(({ rows }) => rows.length > 0) ?? [];
  if (kept.length === 0) return null;
  const count = kept.reduce((sum, { rows }) => sum + rows.length / d, 0);
  const rows = new Float32Array(count * d);
  const means = new Float32Array(kept.length * d);
  const sampleOf = new Int32Array(count);
  const originals = stats?.original === undefined ? null : new Float32Array(count * d);
  let at = 0;
  kept.forEach((sample, i) => {
    rows.set(sample.rows, at * d);
    originals?.set(sample.original!.rows, at * d);
    means.set(sample.mean, i * d);
    const end = at + sample.rows.length / d;
    sampleOf.fill(i, at, end);
    at = end;
  });
  const timestepOf = kept.map(({ timestep }) => timestep);
  return { rows, count, means, sampleOf, timestepOf, originals };
}
