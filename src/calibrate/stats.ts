import type { ReadFor } from '../../ops/common/readers.js';
import type { Bytes } from '../../ops/numerics/bytes.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { isOfKind, KIND } from '../../ops/numerics/kinds.js';
import { checkStats } from './checkStats.js';
import { decodeRecords, encodeRecords, type Numbers } from './serialize.js';
import { type KeepOptions, type Moments, mergeSites, type SiteStats } from './siteStats.js';
import { readStatsHeader } from './statsHeader.js';

const WAY_OUT = 'Take what calibrate or deserialize returned.';

const DESERIALIZE = {
  op: 'CalibrationStats.deserialize',
  wayOut: 'Get the file again, or calibrate again.',
} as const satisfies ReadFor;

/**
 * What `calibrate` gathered. Statistics of shards can be merged and saved; they belong to one
 * model's graph.
 */
export class CalibrationStats {
  static readonly [KIND] = 'CalibrationStats';
  static readonly [Symbol.hasInstance] = isOfKind;

  readonly keep: KeepOptions;

  /**
   * @param batches How many batches were seen.
   * @param sites By site: the name of the tensor that linears read.
   * @param by Who is named in errors.
   * @throws InvalidArgumentError for what `calibrate` cannot have gathered.
   */
  constructor(
    readonly batches: number,
    readonly sites: ReadonlyMap<string, SiteStats>,
    keep: KeepOptions,
    by: ReadFor = { op: 'CalibrationStats', wayOut: WAY_OUT },
  ) {
    checkStats(by, batches, sites, keep);
    const { means, samples, tokensPerSample } = keep;
    this.keep = { means, samples, tokensPerSample };
  }

  /**
   * Statistics of all the data that either saw, to float64 rounding what one pass over both would
   * have given.
   * @throws HadaNormError when they are of different models or were told to keep different amounts;
   * InvalidArgumentError for what are no statistics.
   */
  merge(other: CalibrationStats): CalibrationStats {
    const op = 'CalibrationStats.merge';
    const { batches, sites, keep } = statsGiven(op, 'other', other);
    const sameKeep = JSON.stringify(this.keep) === JSON.stringify(keep);
    checkMergeable(op, [this, other]);
    const names = [...this.sites.keys()];
    const same = names.length === sites.size && names.every((name) => sites.has(name));
    if (!sameKeep || !same) {
      const what = same
        ? 'were told to keep different amounts'
        : 'are of different models or options';
      throw new HadaNormError(op, `the two ${what}. Calibrate every shard alike.`);
    }
    const merged = new Map(
      names.map((name) => [name, mergeSites(this.sites.get(name)!, sites.get(name)!, this.keep)]),
    );
    return new CalibrationStats(this.batches + batches, merged, this.keep);
  }

  /** All of it as bytes, with a version and a checksum. */
  serialize(): Bytes {
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
      // as earlier versions wrote it where all tokens count
      ...(site.mask ? { mask: site.mask } : {}),
      total: moments(site.total),
      scatter: site.scatter === null ? null : put(site.scatter),
      timesteps: [...site.timesteps].map(([time, at]) => ({ time, ...moments(at) })),
      kept: site.kept.map(({ mean, rows, original, ...rest }) => ({
        ...rest,
        mean: put(mean),
        rows: put(rows),
        ...(original && { original: [original.mean, original.rows].map(put) }),
      })),
      ...(site.original && {
        original: {
          sum: put(site.original.sum),
          cross: site.original.cross === null ? null : put(site.original.cross),
          changes: site.original.changes === null ? null : put(site.original.changes),
        },
      }),
    }));
    return encodeRecords({ batches: this.batches, keep: this.keep, sites }, arrays);
  }

  /**
   * Reads what `serialize` wrote.
   * @throws HadaNormError for bytes that are truncated, altered, of a newer version or of something
   * else; it says what is wrong with them.
   */
  static deserialize(bytes: Uint8Array): CalibrationStats {
    const { header, arrays } = decodeRecords(bytes);
    const { batches, sites, keep } = readStatsHeader(DESERIALIZE, header, arrays);
    return new CalibrationStats(batches, sites, keep, DESERIALIZE);
  }
}

/** Those of a sequential calibration are of what each run quantized for itself. */
function checkMergeable(op: string, all: readonly CalibrationStats[]): void {
  if (all.every(({ sites }) => [...sites.values()].every(({ original }) => !original))) return;
  const problem = 'statistics of a sequential calibration cannot be merged';
  throw new HadaNormError(op, `${problem}. Give one run all the batches.`);
}

/**
 * Statistics that a caller gave: this copy of the package's as they are, another copy's checked.
 * @throws InvalidArgumentError for anything else.
 */
export function statsGiven(op: string, argument: string, value: unknown): CalibrationStats {
  if (!(value instanceof CalibrationStats)) {
    const wayOut = 'Statistics read from a file: CalibrationStats.deserialize(bytes).';
    const got = describe(value);
    throw new InvalidArgumentError(op, argument, 'what calibrate returns', got, wayOut);
  }
  if (value.constructor === CalibrationStats) return value;
  return new CalibrationStats(value.batches, value.sites, value.keep, { op, wayOut: WAY_OUT });
}
