import * as tf from '@tensorflow/tfjs';
import { graphOfModel } from '../../../src/graph/model.js';
import type { CalibrationStats, Moments, SiteStats } from '../../../src/index.js';
import { analyze } from '../../../src/recognize/analysis.js';
import type { Site } from '../../../src/recognize/sites.js';

/** One sample that a site saw: its tokens as rows of d channels. */
export type SiteSample = readonly (readonly number[])[];

/** The sites of a model's linears that calibration observes, by key. */
export function sitesOf(model: tf.GraphModel): Map<string, Site> {
  const { linears } = analyze(graphOfModel('test', model));
  const known = linears.filter(({ role }) => role !== 'other');
  return new Map(known.map(({ key, site }) => [key, site]));
}

/** What a site sees of a batch, sample by sample, by running the model up to it. */
export function samplesAt(
  model: tf.GraphModel,
  site: Site,
  batch: tf.NamedTensorMap,
): readonly SiteSample[] {
  const names = [site.source, ...(site.like === null ? [] : [site.like])];
  const results = [model.execute(batch, names)].flat();
  const [x, like] = results;
  const shape = like === undefined ? x!.shape : like.shape;
  const axes = like === undefined ? site.axes : site.likeAxes;
  const tokens = site.tokens === 'none' ? 1 : shape[shape.length - axes - 1]!;
  const samples = tf.tidy(() => tf.reshape(x!, [-1, tokens, site.d]).arraySync());
  tf.dispose(results);
  return samples as unknown as number[][][];
}

/** The moments of samples in float64, by their definition. */
export function momentsOf(samples: readonly SiteSample[], d: number): Moments {
  const channel = (of: (values: number[][], mean: number[]) => number) =>
    Float64Array.from({ length: d }, (_, c) => {
      const values = samples.map((rows) => rows.map((row) => row[c]!));
      return of(
        values,
        values.map((column) => column.reduce((sum, v) => sum + v, 0) / column.length),
      );
    });
  const sumOf = (values: number[][], term: (v: number, sample: number) => number) =>
    values.reduce((sum, column, i) => sum + column.reduce((part, v) => part + term(v, i), 0), 0);
  return {
    samples: samples.length,
    tokens: samples.reduce((sum, rows) => sum + rows.length, 0),
    sum: channel((values) => sumOf(values, (v) => v)),
    within: channel((values, means) => sumOf(values, (v, i) => (v - means[i]!) ** 2)),
    between: channel((values, means) => sumOf(values, (_, i) => means[i]! ** 2)),
    absMax: channel((values) => Math.max(...values.flat().map(Math.abs))),
  };
}

/** Σ (x − μ)(x − μ)ᵀ in float64, the upper triangle row by row. */
export function scatterOf(samples: readonly SiteSample[], d: number): Float64Array {
  const out = new Float64Array((d * (d + 1)) / 2);
  for (const rows of samples) {
    const mean = meanRow(rows, d);
    for (const row of rows) {
      for (let i = 0, at = 0; i < d; i++) {
        for (let j = i; j < d; j++, at++) {
          out[at] = out[at]! + (row[i]! - mean[i]!) * (row[j]! - mean[j]!);
        }
      }
    }
  }
  return out;
}

export function meanRow(rows: SiteSample, d: number): number[] {
  return Array.from({ length: d }, (_, c) => {
    return rows.reduce((sum, row) => sum + row[c]!, 0) / rows.length;
  });
}

/** max |a − b| / max |b|. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let max = 0;
  let size = 1e-30;
  for (let i = 0; i < b.length; i++) {
    max = Math.max(max, Math.abs(a[i]! - b[i]!));
    size = Math.max(size, Math.abs(b[i]!));
    if (Number.isNaN(a[i]! - b[i]!)) return Number.NaN;
  }
  return max / size;
}

/**
 * The largest relative difference between two statistics; kept samples and counts must be the same
 * to the bit.
 */
export function statsDistance(a: CalibrationStats, b: CalibrationStats): number {
  if (a.batches !== b.batches || a.sites.size !== b.sites.size) return Number.POSITIVE_INFINITY;
  const parts = [...b.sites].map(([key, site]) => siteDistance(a.sites.get(key), site));
  return Math.max(...parts);
}

function siteDistance(a: SiteStats | undefined, b: SiteStats): number {
  if (a === undefined) return Number.POSITIVE_INFINITY;
  const exact = (site: SiteStats) =>
    JSON.stringify([
      site.d,
      [...site.timesteps.keys()],
      site.scatter === null,
      site.kept.map((sample) => ({ ...sample, mean: [...sample.mean], rows: [...sample.rows] })),
    ]);
  if (exact(a) !== exact(b)) return Number.POSITIVE_INFINITY;
  const times = [...b.timesteps].map(([time, moments]) =>
    momentsDistance(a.timesteps.get(time)!, moments),
  );
  const scatter = b.scatter === null ? 0 : distance(a.scatter!, b.scatter);
  return Math.max(momentsDistance(a.total, b.total), scatter, ...times);
}

export function momentsDistance(a: Moments, b: Moments): number {
  if (a.samples !== b.samples || a.tokens !== b.tokens) return Number.POSITIVE_INFINITY;
  const keys = ['sum', 'within', 'between', 'absMax'] as const;
  return Math.max(...keys.map((key) => distance(a[key], b[key])));
}

/** Bytes of every array in statistics. */
export function bytesOfStats({ sites }: CalibrationStats): number {
  const ofMoments = ({ sum, within, between, absMax }: Moments) =>
    [sum, within, between, absMax].reduce((bytes, { byteLength }) => bytes + byteLength, 0);
  return [...sites.values()].reduce((bytes, { total, scatter, timesteps, kept }) => {
    const moments = [total, ...timesteps.values()].reduce((sum, at) => sum + ofMoments(at), 0);
    const samples = kept.reduce((sum, s) => sum + s.mean.byteLength + s.rows.byteLength, 0);
    return bytes + moments + samples + (scatter?.byteLength ?? 0);
  }, 0);
}
