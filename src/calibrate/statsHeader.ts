import {
  type Reader,
  type ReadFor,
  readArray,
  readFinite,
  readInteger,
  readNullable,
  readObject,
  readString,
  refuse,
} from '../../ops/common/readers.js';
import type { Numbers } from './serialize.js';
import type { KeepOptions, KeptSample, Moments, SiteStats } from './siteStats.js';

/** Everything of statistics but arrays, which stand for themselves by their places in the file. */
interface StatsHeader {
  readonly batches: number;
  readonly keep: KeepOptions;
  readonly sites: readonly {
    readonly name: string;
    readonly d: number;
    readonly mask: string | null;
    readonly total: SavedMoments;
    readonly scatter: number | null;
    readonly timesteps: readonly (SavedMoments & { readonly time: number })[];
    readonly kept: readonly SavedSample[];
    readonly original: SavedOriginal | undefined;
  }[];
}

interface SavedOriginal {
  readonly sum: number;
  readonly cross: number | null;
  readonly changes: number | null;
}

type SavedSample = Omit<KeptSample, 'mean' | 'rows' | 'original'> & {
  readonly mean: number;
  readonly rows: number;
  /** Mean and rows. */
  readonly original: readonly number[] | undefined;
};

interface SavedMoments {
  readonly samples: number;
  readonly tokens: number;
  readonly arrays: readonly number[];
}

const count = readInteger(0);

const moments = { samples: count, tokens: count, arrays: readArray(count, 4) };

/** What files without it, and of former versions, do not say. */
function readOptional<T>(read: Reader<T>): Reader<T | undefined> {
  return (value, path, by) => (value === undefined ? undefined : read(value, path, by));
}

const readHeader = readObject<StatsHeader>({
  batches: count,
  keep: readObject<KeepOptions>({ means: count, samples: count, tokensPerSample: count }),
  sites: readArray(
    readObject<StatsHeader['sites'][number]>({
      name: readString,
      d: count,
      mask: (value, path, by) => (value === undefined ? null : readString(value, path, by)),
      total: readObject<SavedMoments>(moments),
      scatter: readNullable(count),
      timesteps: readArray(readObject({ time: readFinite, ...moments })),
      kept: readArray(
        readObject({
          hash: count,
          timestep: readNullable(readFinite),
          tokens: count,
          mean: count,
          rows: count,
          original: readOptional(readArray(count, 2)),
        }),
      ),
      original: readOptional(
        readObject<SavedOriginal>({
          sum: count,
          cross: readNullable(count),
          changes: readNullable(count),
        }),
      ),
    }),
  ),
});

/**
 * Statistics from a header and the arrays that it tells of: each stands once in it, and all do.
 * Their types, lengths and values are for `checkStats`.
 */
export function readStatsHeader(
  by: ReadFor,
  value: unknown,
  arrays: readonly Numbers[],
): { batches: number; sites: Map<string, SiteStats>; keep: KeepOptions } {
  const { batches, keep, sites: saved } = readHeader(value, 'header', by);
  const taken = new Set<number>();
  // to be checked: a file can tell of any
  const take = <T extends Numbers>(index: number, at: string): T => {
    if (index >= arrays.length)
      refuse(by, at, `below ${arrays.length}, the count of arrays`, index);
    if (taken.has(index)) refuse(by, at, 'an array that nothing else is', index);
    taken.add(index);
    return arrays[index] as T;
  };
  const momentsOf = ({ samples, tokens, arrays: at }: SavedMoments, path: string): Moments => {
    const [sum, within, between, absMax] = at.map((index) => take<Float64Array>(index, path));
    return { samples, tokens, sum: sum!, within: within!, between: between!, absMax: absMax! };
  };
  const sites = new Map<string, SiteStats>();
  for (const { name, d, mask, total, scatter, timesteps, kept, original } of saved) {
    const path = `header.sites[${sites.size}]`;
    if (sites.has(name)) refuse(by, `${path}.name`, 'a name that no other site has', name);
    const times = new Map<number, Moments>();
    for (const { time, ...at } of timesteps) {
      if (times.has(time)) refuse(by, `${path}.timesteps`, 'of different times', time);
      times.set(time, momentsOf(at, `${path}.timesteps`));
    }
    sites.set(name, {
      d,
      mask,
      total: momentsOf(total, `${path}.total.arrays`),
      scatter: scatter === null ? null : take(scatter, `${path}.scatter`),
      timesteps: times,
      kept: kept.map(({ mean, rows, original: there, ...sample }) => ({
        ...sample,
        mean: take<Float32Array>(mean, `${path}.kept.mean`),
        rows: take<Float32Array>(rows, `${path}.kept.rows`),
        ...(there && {
          original: {
            mean: take<Float32Array>(there[0]!, `${path}.kept.original`),
            rows: take<Float32Array>(there[1]!, `${path}.kept.original`),
          },
        }),
      })),
      ...(original && {
        original: {
          sum: take<Float64Array>(original.sum, `${path}.original.sum`),
          cross: original.cross === null ? null : take(original.cross, `${path}.original.cross`),
          changes:
            original.changes === null ? null : take(original.changes, `${path}.original.changes`),
        },
      }),
    });
  }
  if (taken.size < arrays.length) {
    refuse(by, 'the arrays', `${taken.size}, as the header has them`, arrays.length);
  }
  return { batches, sites, keep };
}
