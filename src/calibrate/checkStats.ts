import { type ReadFor, readInteger, readString, refuse } from '../../ops/common/readers.js';
import type { KeepOptions, KeptSample, Moments, SiteStats } from './siteStats.js';

/** More channels than any layer has, and few enough that d² counts exactly. */
const MAX_CHANNELS = 2 ** 24;

/** Of `KeepOptions`, as `calibrate` takes them. */
export const MAX_KEPT = 65_536;

/** How far float64 sums may be from what they stand for, relatively. */
const TOLERANCE = 1e-6;

/**
 * Checks that statistics are such as `calibrate` gathers, whoever made them: counts, lengths, and
 * what no data can give. NaN and Infinity are let through where the moments have them too, for a
 * model can give them; rewriting refuses them.
 * @throws InvalidArgumentError that names what is wrong.
 */
export function checkStats(
  by: ReadFor,
  batches: unknown,
  sites: unknown,
  keep: unknown,
): asserts sites is ReadonlyMap<string, SiteStats> {
  checkCount(by, 'batches', batches, 0);
  checkKeep(by, keep);
  if (!isMap(sites)) refuse(by, 'sites', 'a Map', sites);
  for (const [name, site] of sites) {
    if (typeof name !== 'string') refuse(by, 'the name of a site', 'a string', name);
    checkSite(by, `sites[${JSON.stringify(name)}]`, site, keep);
  }
}

function checkKeep(by: ReadFor, keep: unknown): asserts keep is KeepOptions {
  const { means, samples, tokensPerSample } = fieldsOf(by, 'keep', keep);
  checkCount(by, 'keep.means', means, 1, MAX_KEPT);
  checkCount(by, 'keep.samples', samples, 1, means);
  checkCount(by, 'keep.tokensPerSample', tokensPerSample, 1, MAX_KEPT);
}

function checkSite(by: ReadFor, at: string, given: unknown, keep: KeepOptions): void {
  const { d, mask, total, scatter, timesteps, kept, original } = fieldsOf(by, at, given);
  if (mask !== undefined && mask !== null) readString(mask, `${at}.mask`, by);
  checkCount(by, `${at}.d`, d, 1, MAX_CHANNELS);
  const moments = checkMoments(by, `${at}.total`, total, d);
  if (scatter !== null) {
    const length = (d * (d + 1)) / 2;
    checkDiagonal(by, `${at}.scatter`, numbersOf(by, `${at}.scatter`, scatter, 'f64', length), d);
  }
  if (!isMap(timesteps)) refuse(by, `${at}.timesteps`, 'a Map', timesteps);
  let samples = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (const [time, part] of timesteps) {
    if (!(Number.isFinite(time) && (time as number) > last)) {
      refuse(by, `${at}.timesteps`, 'of finite times in ascending order', time);
    }
    last = time as number;
    samples += checkMoments(by, `${at}.timesteps[${time}]`, part, d).samples;
  }
  if (samples > moments.samples) {
    refuse(by, `${at}.timesteps`, `of at most ${moments.samples} samples`, samples);
  }
  const sequential = original !== undefined;
  checkKept(by, `${at}.kept`, kept, { d, total: moments, keep, sequential });
  if (!sequential) return;
  const { sum, cross, changes } = fieldsOf(by, `${at}.original`, original);
  numbersOf(by, `${at}.original.sum`, sum, 'f64', d);
  if (cross !== null) numbersOf(by, `${at}.original.cross`, cross, 'f64', d * d);
  if (changes === null) return;
  const length = (d * (d + 1)) / 2;
  numbersOf(by, `${at}.original.changes`, changes, 'f64', length);
}

function checkMoments(by: ReadFor, at: string, given: unknown, d: number): Moments {
  const moments = fieldsOf<Moments>(by, at, given);
  const { samples, tokens } = moments;
  checkCount(by, `${at}.samples`, samples, 0);
  checkCount(by, `${at}.tokens`, tokens, samples, samples === 0 ? 0 : undefined);
  for (const name of ['sum', 'within', 'between', 'absMax'] as const) {
    const values = numbersOf(by, `${at}.${name}`, moments[name], 'f64', d);
    if (name !== 'sum') checkNoneBelowZero(by, `${at}.${name}`, values);
  }
  // by Cauchy and Schwarz: (Σ μ)² ≤ tokens Σ μ²
  const { sum, between } = moments;
  const wrong = sum.findIndex((s, c) => s * s > tokens * between[c]! * (1 + TOLERANCE));
  if (wrong >= 0) {
    const most = Math.sqrt(tokens * between[wrong]!);
    refuse(by, `${at}.sum[${wrong}]`, `within ±${most}, as between has it`, sum[wrong]);
  }
  return moments;
}

/** What kept samples are checked by. */
interface KeptBy {
  readonly d: number;
  readonly total: Moments;
  readonly keep: KeepOptions;
  /** Whether each has what it is in the original model too. */
  readonly sequential: boolean;
}

function checkKept(by: ReadFor, at: string, kept: unknown, site: KeptBy): void {
  const { means, samples } = site.keep;
  if (!Array.isArray(kept)) refuse(by, at, 'an array', kept);
  const most = Math.min(means, site.total.samples);
  if (kept.length > most) refuse(by, at, `at most ${most} samples`, kept.length);
  let last = 0;
  let seen = 0;
  kept.forEach((given: unknown, i) => {
    const sample = checkSample(by, `${at}[${i}]`, given, site);
    if (i >= samples && sample.rows.length > 0) {
      refuse(by, `${at}[${i}].rows`, `empty after ${samples} samples`, sample.rows.length);
    }
    if (sample.hash < last) refuse(by, `${at}[${i}].hash`, `at least ${last}`, sample.hash);
    last = sample.hash;
    seen += sample.tokens;
  });
  if (seen > site.total.tokens) {
    refuse(by, at, `of at most ${site.total.tokens} tokens`, seen);
  }
}

function checkSample(
  by: ReadFor,
  at: string,
  given: unknown,
  { d, total, keep, sequential }: KeptBy,
): KeptSample {
  const sample = fieldsOf<KeptSample>(by, at, given);
  const { hash, timestep, tokens } = sample;
  checkCount(by, `${at}.hash`, hash, 0, 2 ** 32 - 1);
  checkCount(by, `${at}.tokens`, tokens, 1);
  if (timestep !== null && !Number.isFinite(timestep)) {
    refuse(by, `${at}.timestep`, 'a finite number, or null', timestep);
  }
  const mean = numbersOf(by, `${at}.mean`, sample.mean, 'f32', d);
  const count = Math.min(tokens, keep.tokensPerSample);
  const wanted = sample.rows?.length === 0 ? 0 : count * d;
  const rows = numbersOf(by, `${at}.rows`, sample.rows, 'f32', wanted);
  checkWithin(by, `${at}.mean`, mean, total, 1 + TOLERANCE);
  checkWithin(by, `${at}.rows`, rows, total, 1);
  if (sequential) {
    const original = fieldsOf<KeptSample>(by, `${at}.original`, sample.original);
    numbersOf(by, `${at}.original.mean`, original.mean, 'f32', d);
    numbersOf(by, `${at}.original.rows`, original.rows, 'f32', wanted);
  } else if (sample.original !== undefined) {
    refuse(by, `${at}.original`, 'absent, as that of the site is', sample.original);
  }
  return sample;
}

/** Kept values [..., d] are of the data whose largest magnitudes are known. */
function checkWithin(
  by: ReadFor,
  at: string,
  values: Float32Array,
  { sum, absMax }: Moments,
  factor: number,
): void {
  const d = sum.length;
  const wrong = values.findIndex((v, i) => {
    const c = i % d;
    return Number.isFinite(sum[c]) && !(Math.abs(v) <= absMax[c]! * factor);
  });
  if (wrong < 0) return;
  refuse(by, `${at}[${wrong}]`, `within ±${absMax[wrong % d]}, as absMax has it`, values[wrong]);
}

function checkNoneBelowZero(by: ReadFor, at: string, values: Float64Array): void {
  const wrong = values.findIndex((v) => v < 0);
  if (wrong >= 0) refuse(by, `${at}[${wrong}]`, 'at least 0', values[wrong]);
}

/** The diagonal of an upper triangle holds sums of squares. */
function checkDiagonal(by: ReadFor, at: string, packed: Float64Array, d: number): void {
  for (let i = 0, place = 0; i < d; place += d - i, i++) {
    if (packed[place]! < 0) refuse(by, `${at}[${place}]`, 'at least 0', packed[place]);
  }
}

type NumbersOf = { readonly f32: Float32Array; readonly f64: Float64Array };

function numbersOf<T extends 'f32' | 'f64'>(
  by: ReadFor,
  at: string,
  values: unknown,
  type: T,
  length: number,
): NumbersOf[T] {
  const name = type === 'f32' ? 'Float32Array' : 'Float64Array';
  // by name, for another realm's arrays are such too
  const named = Object.prototype.toString.call(values) === `[object ${name}]`;
  if (!named) return refuse(by, at, `a ${name} of ${length} numbers`, values);
  const numbers = values as NumbersOf[T];
  if (numbers.length === length) return numbers;
  return refuse(by, at, `${length} numbers`, numbers.length);
}

function checkCount(
  by: ReadFor,
  at: string,
  value: unknown,
  min: number,
  max?: number,
): asserts value is number {
  readInteger(min, max)(value, at, by);
}

/** An object's fields, named as those of T but not checked yet. */
function fieldsOf<T extends object = Record<string, unknown>>(
  by: ReadFor,
  at: string,
  value: unknown,
): T {
  if (value !== null && typeof value === 'object') return value as T;
  return refuse(by, at, 'an object', value);
}

function isMap(value: unknown): value is Map<unknown, unknown> {
  return Object.prototype.toString.call(value) === '[object Map]';
}
