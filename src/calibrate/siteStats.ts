import { HadaNormError } from '../../ops/numerics/errors.js';

/** What a calibration keeps, with its defaults. */
export interface KeepOptions {
  /** Samples per site whose mean is kept, for the low-rank basis of the mean. */
  readonly means: number;
  /** Among those, samples of which tokens are kept, for measuring. */
  readonly samples: number;
  /** Tokens kept of each such sample. */
  readonly tokensPerSample: number;
}

/**
 * Moments of one site's channels, in float64 sums, so that any split of the data adds up to the
 * same.
 */
export interface Moments {
  samples: number;
  tokens: number;
  /** Σ x over all tokens. */
  readonly sum: Float64Array;
  /** Σ (x − μ)², μ the mean over the tokens of the same sample. */
  readonly within: Float64Array;
  /** Σ μ², once per token. */
  readonly between: Float64Array;
  /** max |x|. */
  readonly absMax: Float64Array;
}

/**
 * One sample that was kept: chosen by a hash of the model's inputs that it comes from, so that
 * merging chooses as a single pass does, and every backend the same, whatever its last bits.
 */
export interface KeptSample {
  readonly hash: number;
  readonly timestep: number | null;
  /** Tokens that the sample had. */
  readonly tokens: number;
  readonly mean: Float32Array; // [d]
  // [kept tokens, d], some of its tokens; empty where only the mean was kept
  readonly rows: Float32Array;
  /** Mean and rows of the same tokens in the original model; absent where this is that. */
  readonly original?: Pick<KeptSample, 'mean' | 'rows'>;
}

/**
 * What the tokens of a site have in the original model, where the statistics are of a model that
 * is quantized up to there.
 */
export interface OriginalSums {
  /** Σ x° over all tokens, [d]. */
  readonly sum: Float64Array;
  /**
   * Σ (x − μ)ᵀ ((x° − μ°) − (x − μ)), [d, d] row by row: how what changed goes with what there is;
   * null where no Hessian was asked for.
   */
  readonly cross: Float64Array | null;
  /** Σ of the changes' own products, as `scatter` has the tokens'; null where that is. */
  readonly changes: Float64Array | null;
}

/** What calibration knows of the input of one site: the tensor that one or several linears read. */
export interface SiteStats {
  readonly d: number;
  /** Which of its tokens counted, in the words of `describeGraph`; absent or null: all. */
  readonly mask?: string | null;
  /** Of the tokens that count, as all else. */
  readonly total: Moments;
  /** Σ (x − μ)(x − μ)ᵀ, upper triangle row by row; null where no Hessian was asked for. */
  readonly scatter: Float64Array | null;
  /** By timestep, in ascending order; empty where none was named. */
  readonly timesteps: Map<number, Moments>;
  /** In ascending order of their hashes. */
  kept: readonly KeptSample[];
  /** Of a sequential calibration; absent elsewhere. */
  readonly original?: OriginalSums;
}

export function emptyMoments(d: number): Moments {
  const zeros = () => new Float64Array(d);
  return {
    samples: 0,
    tokens: 0,
    sum: zeros(),
    within: zeros(),
    between: zeros(),
    absMax: zeros(),
  };
}

export function emptySite(d: number, hessian: boolean, mask: string | null = null): SiteStats {
  const scatter = hessian ? new Float64Array((d * (d + 1)) / 2) : null;
  return { d, mask, total: emptyMoments(d), scatter, timesteps: new Map(), kept: [] };
}

/** What a sample is kept by, and what it is kept with. */
export interface SampleOrigin {
  readonly hash: number;
  readonly timestep: number | null;
  /** Its tokens in the original model, where this is not that: in their place among `values`. */
  readonly original?: Float32Array;
}

/** Adds one sample: x [tokens, d] at `start` of `values`. Returns its mean. */
export function addSample(
  site: SiteStats,
  values: Float32Array,
  start: number,
  tokens: number,
  { hash, timestep, original }: SampleOrigin,
  keep: KeepOptions,
): Float32Array {
  const { d, total } = site;
  const moments = sampleMoments(values, start, tokens, d);
  const mean = Float32Array.from(moments.sum, (sum) => sum / tokens);
  addMoments(total, moments);
  if (timestep !== null) {
    const at = site.timesteps.get(timestep) ?? emptyMoments(d);
    site.timesteps.set(timestep, at);
    addMoments(at, moments);
  }
  const last = site.kept[keep.means - 1];
  if (last === undefined || hash <= last.hash) {
    const picked = (of: Float32Array) => pickTokens(of, start, tokens, d, keep.tokensPerSample);
    const sample = { hash, timestep, tokens, mean, rows: picked(values) };
    const there = original && {
      mean: meanOfRows(original, start, tokens, d),
      rows: picked(original),
    };
    site.kept = trimmed([...site.kept, there ? { ...sample, original: there } : sample], keep);
  }
  return mean;
}

/** What one site knows together with another that saw other samples. */
export function mergeSites(a: SiteStats, b: SiteStats, keep: KeepOptions): SiteStats {
  if (a.d !== b.d) {
    const problem = `statistics of ${a.d} channels cannot be merged with ${b.d}.`;
    throw new HadaNormError('CalibrationStats.merge', `${problem} They are of different models.`);
  }
  const mask = a.mask ?? null;
  if (mask !== (b.mask ?? null)) {
    const problem = 'the two had other tokens count (tokenMask). Calibrate every shard alike.';
    throw new HadaNormError('CalibrationStats.merge', problem);
  }
  const merged = emptySite(a.d, a.scatter !== null && b.scatter !== null, mask);
  for (const from of [a, b]) {
    addMoments(merged.total, from.total);
    merged.scatter?.forEach((sum, i, all) => {
      all[i] = sum + from.scatter![i]!;
    });
  }
  const times = [...new Set([...a.timesteps.keys(), ...b.timesteps.keys()])];
  for (const time of times.sort((left, right) => left - right)) {
    const at = emptyMoments(a.d);
    merged.timesteps.set(time, at);
    for (const { timesteps } of [a, b]) {
      const moments = timesteps.get(time);
      if (moments !== undefined) addMoments(at, moments);
    }
  }
  merged.kept = trimmed([...a.kept, ...b.kept], keep);
  return merged;
}

/** Mean over all tokens. */
export function meanOf({ sum, tokens }: Moments): Float64Array {
  return sum.map((total) => total / Math.max(tokens, 1));
}

/** Standard deviation of the centered tokens: within the samples. */
export function centeredStd({ within, tokens }: Moments): Float64Array {
  return within.map((total) => Math.sqrt(total / Math.max(tokens, 1)));
}

function sampleMoments(values: Float32Array, start: number, tokens: number, d: number): Moments {
  const moments = emptyMoments(d);
  const { sum, within, between, absMax } = moments;
  for (let token = 0, at = start; token < tokens; token++) {
    for (let c = 0; c < d; c++, at++) {
      const v = values[at]!;
      sum[c] = sum[c]! + v;
      const magnitude = Math.abs(v);
      if (magnitude > absMax[c]!) absMax[c] = magnitude;
    }
  }
  for (let token = 0, at = start; token < tokens; token++) {
    for (let c = 0; c < d; c++, at++) {
      const off = values[at]! - sum[c]! / tokens;
      within[c] = within[c]! + off * off;
    }
  }
  for (let c = 0; c < d; c++) between[c] = sum[c]! ** 2 / tokens;
  moments.samples = 1;
  moments.tokens = tokens;
  return moments;
}

function meanOfRows(values: Float32Array, start: number, tokens: number, d: number): Float32Array {
  const sum = new Float64Array(d);
  for (let token = 0, at = start; token < tokens; token++) {
    for (let c = 0; c < d; c++, at++) sum[c] = sum[c]! + values[at]!;
  }
  return Float32Array.from(sum, (total) => total / tokens);
}

function addMoments(to: Moments, from: Moments): void {
  to.samples += from.samples;
  to.tokens += from.tokens;
  for (let c = 0; c < from.sum.length; c++) {
    to.sum[c] = to.sum[c]! + from.sum[c]!;
    to.within[c] = to.within[c]! + from.within[c]!;
    to.between[c] = to.between[c]! + from.between[c]!;
    to.absMax[c] = Math.max(to.absMax[c]!, from.absMax[c]!);
  }
}

/** Evenly spread tokens of a sample. */
function pickTokens(
  values: Float32Array,
  start: number,
  tokens: number,
  d: number,
  wanted: number,
): Float32Array {
  const count = Math.min(tokens, wanted);
  const rows = new Float32Array(count * d);
  for (let i = 0; i < count; i++) {
    const token = Math.floor(((i + 0.5) * tokens) / count);
    rows.set(values.subarray(start + token * d, start + (token + 1) * d), i * d);
  }
  return rows;
}

/** The samples with the lowest hashes; tokens only of the very lowest. */
function trimmed(kept: readonly KeptSample[], { means, samples }: KeepOptions): KeptSample[] {
  const sorted = [...kept].sort(compareSamples);
  return sorted
    .slice(0, means)
    .map((sample, i) => (i < samples || sample.rows.length === 0 ? sample : withoutRows(sample)));
}

function withoutRows({ original, ...sample }: KeptSample): KeptSample {
  const rows = new Float32Array(0);
  return { ...sample, rows, ...(original && { original: { ...original, rows } }) };
}

/** A total order: what has one hash must not be kept by which came first. */
function compareSamples(a: KeptSample, b: KeptSample): number {
  return (
    a.hash - b.hash ||
    (a.timestep ?? 0) - (b.timestep ?? 0) ||
    a.tokens - b.tokens ||
    compareValues(a.mean, b.mean) ||
    compareValues(a.rows, b.rows)
  );
}

function compareValues(a: Float32Array, b: Float32Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  // one whose rows were dropped comes last, where it was
  return b.length - a.length;
}
