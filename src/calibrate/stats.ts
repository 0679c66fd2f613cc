import { HadaNormError } from '../../ops/numerics/errors.js';
import { decodeRecords, encodeRecords, type Numbers } from './serialize.js';
import {
  type KeepOptions,
  type KeptSample,
  type Moments,
  mergeSites,
  type SiteStats,
} from './siteStats.js';

/**
 * What `calibrate` gathered. Statistics of shards can be merged and saved; they belong to one
 * model's graph.
 */
export class CalibrationStats {
  /**
   * @param batches How many batches were seen.
   * @param sites By site: the name of the tensor that linears read.
   */
  constructor(
    readonly batches: number,
    readonly sites: ReadonlyMap<string, SiteStats>,
    readonly keep: KeepOptions,
  ) {}

  /**
   * Statistics of all the data that either saw, to float64 rounding what one pass over both would
   * have given.
   * @throws HadaNormError when they are of different models or were told to keep different amounts.
   */
  merge(other: CalibrationStats): CalibrationStats {
    const sameKeep = JSON.stringify(this.keep) === JSON.stringify(other.keep);
    const names = [...this.sites.keys()];
    const same = names.length === other.sites.size && names.every((name) => other.sites.has(name));
    if (!sameKeep || !same) {
      const what = same
        ? 'were told to keep different amounts'
        : 'are of different models or options';
      throw new HadaNormError(
        'CalibrationStats.merge',
        `the two ${what}. Calibrate every shard alike.`,
      );
    }
    const merged = new Map(
      names.map((name) => [
        name,
        mergeSites(this.sites.get(name)!, other.sites.get(name)!, this.keep),
      ]),
    );
    return new CalibrationStats(this.batches + other.batches, merged, this.keep);
  }

  /** All of it as bytes, with a version and a checksum. */
  serialize(): Uint8Array<ArrayBuffer> {
    const arrays: Numbers[] = [];
    const put = (values: Numbers) => arrays.push(values) - 1;
    const moments = ({ samples, tokens, sum, within, between, absMax }: Moments) => ({
      samples,
      tokens,
      arrays: [sum, within, between, absMax].map(put),
    });
    const sites = [...this.sites].map(([name, site]) => ({
      name,
      d: site.d,
      total: moments(site.total),
      scatter: site.scatter === null ? null : put(site.scatter),
      timesteps: [...site.timesteps].map(([time, at]) => ({ time, ...moments(at) })),
      kept: site.kept.map(({ mean, rows, ...rest }) => ({
        ...rest,
        mean: put(mean),
        rows: put(rows),
      })),
    }));
    return encodeRecords({ batches: this.batches, keep: this.keep, sites }, arrays);
  }

  /**
   * Reads what `serialize` wrote.
   * @throws HadaNormError for bytes that are truncated, altered, of a newer version or of something
   * else.
   */
  static deserialize(bytes: Uint8Array): CalibrationStats {
    const { header, arrays } = decodeRecords<Header>(bytes);
    const moments = (saved: SavedMoments): Moments => {
      const [sum, within, between, absMax] = saved.arrays.map((i) => arrays[i] as Float64Array);
      const { samples, tokens } = saved;
      return { samples, tokens, sum: sum!, within: within!, between: between!, absMax: absMax! };
    };
    const sites = header.sites.map((saved): [string, SiteStats] => {
      const kept = saved.kept.map(({ mean, rows, ...rest }): KeptSample => {
        return { ...rest, mean: arrays[mean] as Float32Array, rows: arrays[rows] as Float32Array };
      });
      const scatter = saved.scatter === null ? null : (arrays[saved.scatter] as Float64Array);
      const timesteps = new Map(saved.timesteps.map((at) => [at.time, moments(at)]));
      return [saved.name, { d: saved.d, total: moments(saved.total), scatter, timesteps, kept }];
    });
    return new CalibrationStats(header.batches, new Map(sites), header.keep);
  }
}

interface SavedMoments {
  readonly samples: number;
  readonly tokens: number;
  readonly arrays: readonly number[];
}

interface Header {
  readonly batches: number;
  readonly keep: KeepOptions;
  readonly sites: readonly {
    readonly name: string;
    readonly d: number;
    readonly total: SavedMoments;
    readonly scatter: number | null;
    readonly timesteps: readonly (SavedMoments & { readonly time: number })[];
    readonly kept: readonly (Omit<KeptSample, 'mean' | 'rows'> & { mean: number; rows: number })[];
  }[];
}
