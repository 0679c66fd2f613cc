import { checkCallback, checkSignal } from '../../ops/common/callers.js';
import { checkBoolean, checkInteger, checkOptions } from '../../ops/common/checks.js';
import type { Progress } from '../../ops/common/progress.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { PlacedLinear } from '../recognize/analysis.js';
import type { TokenMask } from '../recognize/tokenMask.js';
import { checkTokenMask, type TokenMaskOption } from '../recognize/tokenMaskOption.js';
import { MAX_KEPT } from './checkStats.js';
import { type CalibrationStats, statsGiven } from './stats.js';

/** One observed tensor. */
export interface Target {
  readonly key: string;
  readonly site: PlacedLinear['site'];
  readonly hessian: boolean;
  /** Which of its tokens count; null: all. */
  readonly mask: TokenMask | null;
}

/** All options with their defaults. */
export type CalibrateSettings = Required<
  Pick<CalibrateOptions, 'hessian' | 'means' | 'samples' | 'tokensPerSample' | 'maxBytes'>
> & {
  readonly timestep: TimestepOptions | null;
  readonly resume: CalibrationStats | null;
  readonly tokenMask: TokenMaskOption;
};

/** The input that holds the timesteps, [batch], for statistics by timestep. */
export interface TimestepOptions {
  /** Name of the model's input. */
  readonly input: string;
  /**
   * Without bins, every distinct value counts apart, up to 64 of them; else bins of equal width
   * from min to max.
   */
  readonly bins?: { readonly min: number; readonly max: number; readonly count: number };
}

/** Options of `calibrate`. */
export interface CalibrateOptions {
  /** Gather what GPTQ rounding needs, 4 d² bytes per site. Default true. */
  hessian?: boolean;
  /** Statistics by timestep. Default none. */
  timestep?: string | TimestepOptions;
  /** Samples per site whose mean is kept. Default 128. */
  means?: number;
  /** Samples per site of which tokens are kept, for measuring; no more than `means`. Default 32. */
  samples?: number;
  /** Tokens kept of each. Default 8. */
  tokensPerSample?: number;
  /**
   * Which tokens count: the others enter neither means and moments, nor Hessian and kept samples.
   * Default 'auto': those that no attention of the model sees do not.
   */
  tokenMask?: TokenMaskOption;
  /** Refuse to start when more memory than this would be needed, in bytes. Default 4 GiB. */
  maxBytes?: number;
  /** Continue from these statistics: the first `resume.batches` batches are skipped. */
  resume?: CalibrationStats;
  /** Dispose each batch's tensors when it is done. Default false. */
  disposeBatches?: boolean;
  /**
   * Cancels between two batches: rejects with a `CalibrationAbortedError` that holds what was
   * gathered.
   */
  signal?: AbortSignal;
  /** Called after every batch. */
  onProgress?: (progress: CalibrationProgress) => void;
}

/** What an absent option means. */
export const CALIBRATE_DEFAULTS = {
  hessian: true,
  means: 128,
  samples: 32,
  tokensPerSample: 8,
  maxBytes: 4 * 2 ** 30,
  disposeBatches: false,
  tokenMask: 'auto',
} as const satisfies CalibrateOptions;

/** How far a calibration is. */
export interface CalibrationProgress extends Progress {
  readonly stage: 'calibrate';
  /** Batches done, skipped ones included: as `done`. */
  readonly batches: number;
  /** Sites that are observed, and the bytes that their statistics may take. */
  readonly sites: number;
  readonly bytes: number;
}

export function checkCalibrateOptions(op: string, options: CalibrateOptions): CalibrateSettings {
  checkOptions(op, options, [
    ...['hessian', 'timestep', 'means', 'samples', 'tokensPerSample', 'maxBytes', 'resume'],
    ...['disposeBatches', 'signal', 'onProgress', 'tokenMask'],
  ]);
  const defaults = CALIBRATE_DEFAULTS;
  const { timestep, resume, disposeBatches = false, hessian = defaults.hessian } = options;
  const { means = defaults.means } = options;
  checkInteger(op, 'means', means, 1, MAX_KEPT);
  const { samples = Math.min(defaults.samples, means) } = options;
  const { tokensPerSample = defaults.tokensPerSample, maxBytes = defaults.maxBytes } = options;
  checkBoolean(op, 'hessian', hessian);
  checkBoolean(op, 'disposeBatches', disposeBatches);
  checkInteger(op, 'samples', samples, 1, means);
  checkInteger(op, 'tokensPerSample', tokensPerSample, 1, MAX_KEPT);
  checkInteger(op, 'maxBytes', maxBytes, 1);
  checkSignal(op, options.signal);
  checkCallback(op, 'onProgress', options.onProgress);
  const { tokenMask = defaults.tokenMask } = options;
  checkTokenMask(op, tokenMask);
  const time = checkTimestep(op, timestep);
  const from = resume === undefined ? null : statsGiven(op, 'resume', resume);
  const keep = { means, samples, tokensPerSample };
  return { hessian, ...keep, maxBytes, timestep: time, resume: from, tokenMask };
}

export function checkTimestep(
  op: string,
  timestep: CalibrateOptions['timestep'],
): TimestepOptions | null {
  if (timestep === undefined) return null;
  const time = typeof timestep === 'string' ? { input: timestep } : timestep;
  checkOptions(op, time, ['input', 'bins'], 'timestep');
  if (typeof time.input !== 'string') {
    const got = describe(time.input);
    throw new InvalidArgumentError(op, 'timestep.input', 'the name of an input', got);
  }
  if (time.bins === undefined) return time;
  checkOptions(op, time.bins, ['min', 'max', 'count'], 'timestep.bins');
  const { min, max, count } = time.bins;
  checkInteger(op, 'timestep.bins.count', count, 1, 4096);
  if (!(Number.isFinite(min) && Number.isFinite(max) && min < max)) {
    throw new InvalidArgumentError(op, 'timestep.bins', 'with min < max', `[${min}, ${max}]`);
  }
  return time;
}
