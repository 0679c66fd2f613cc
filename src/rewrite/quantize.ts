import { checkCallback, checkSignal } from '../../ops/common/callers.js';
import { checkBoolean, checkPlain } from '../../ops/common/checks.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { calibrate } from '../calibrate/calibrate.js';
import type { CalibrateOptions } from '../calibrate/settings.js';
import { CalibrationStats, statsGiven } from '../calibrate/stats.js';
import { type Batch, checkBatches } from '../feed/batch.js';
import type { Recipe, RecipeTarget } from '../report/recipe.js';
import type { AnyModel } from '../trace/given.js';
import { type RewriteOptions, TARGET_RANKS } from './options.js';
import { withPreset } from './presetOptions.js';
import type { Preset, PresetName } from './presets.js';
import { type RewriteResult, rewriteGraphAsync } from './rewriteGraph.js';
import { rewriteSequentially, type SequentialResult } from './sequential.js';
import { type OpenSequential, openSequential } from './sequentialInput.js';
import {
  type Attempt,
  firstAttempt,
  joinedRecipes,
  nextAttempt,
  rulesOf,
  withShortfall,
} from './targets.js';

/** Options of `quantize`: those of `rewriteGraph` go over the preset's. */
export interface QuantizeOptions extends Omit<RewriteOptions, 'stats'>, WatchOptions {
  /**
   * One of `PRESETS` by its name, one of your own, or what `recommendRules` gave, whose rules then
   * stand over those of the default; of a JSON file too. Default 'W4A8'.
   */
  preset?: PresetName | Preset | Recipe;
  /**
   * What the result is to reach: linears get 8 bits, and sites branches of other ranks, until it
   * does, as `recommendRules` has it. Should rules give less than was expected of them, the
   * report's notes say what is missing. Default none.
   */
  target?: RecipeTarget;
  /**
   * Calibrate each linear on what the quantized ones before it give, its weights refit so that it
   * gives what the original gives: level by level, in one run of both models. Batches are kept
   * until it is done: `sequentialMemory` says how much that takes. Default false.
   */
  sequential?: boolean;
  /** Of the calibration. */
  calibrate?: Omit<CalibrateOptions, 'signal' | 'onProgress'>;
}

/** What an absent option of `quantize` means, besides those of `rewriteGraph`. */
export const QUANTIZE_DEFAULTS = {
  preset: 'W4A8',
  compare: false,
  sequential: false,
} as const satisfies QuantizeOptions;

/** A quantized model, and all that there is to know of it. */
export interface QuantizeResult extends RewriteResult {
  /** To quantize again with other options; `serialize` gives the bytes to keep. */
  readonly stats: CalibrationStats;
  /** What was changed for the `target`; null without one. */
  readonly recipe: Recipe | null;
}

/**
 * Calibrates a model, quantizes it and reports, in one call: `calibrate` and `rewriteGraphAsync`,
 * and with a `target` `recommendRules` between rewrites. `sequential` calibrates while it
 * quantizes.
 *
 * @param model A loaded `tf.GraphModel`. It stays as it is.
 * @param batches Inputs of the model, as for `calibrate`; or statistics that it gave.
 * @throws What `calibrate` and `rewriteGraphAsync` throw; InvalidArgumentError for a target that
 * cannot be reached, with the best that can be had; AbortedError when cancelled: of what
 * calibrates a `CalibrationAbortedError`, whose `stats` are for `calibrate.resume`.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { quantize, trajectory } from 'tfjs-hadanorm';
 * import { reportTable } from 'tfjs-hadanorm/report';
 * import { tinyDit } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * const batches = trajectory(model, { labels: [0, 1, 2], steps: 4 });
 * const { model: small, report, recipe } = await quantize(model, batches, {
 *   preset: 'W4A8',
 *   target: { minSqnr: 25 },
 *   calibrate: { timestep: 'timestep', disposeBatches: true },
 * });
 * console.log(reportTable(report), recipe?.rules.length, 'linears in 8 bits');
 * ```
 */
export async function quantize(
  model: AnyModel,
  batches: Iterable<Batch> | AsyncIterable<Batch> | CalibrationStats,
  options: QuantizeOptions = {},
): Promise<QuantizeResult> {
  const op = 'quantize';
  checkPlain(op, 'options', options);
  const { preset, target, calibrate: calibration = {}, signal, onProgress, ...more } = options;
  const { sequential = QUANTIZE_DEFAULTS.sequential, ...given } = more;
  checkSignal(op, signal);
  checkCallback(op, 'onProgress', onProgress);
  checkPlain(op, 'calibrate', calibration);
  checkBoolean(op, 'sequential', sequential);
  const watch = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
  const { compare } = QUANTIZE_DEFAULTS;
  const rewriting = { compare, ...withPreset(op, preset, given) };
  if (!sequential) {
    const stats = await statsOf(op, model, batches, { ...calibration, ...watch });
    return reaching(op, target, rewriting, async (wanted) => {
      return { ...(await rewriteGraphAsync(model, { ...wanted, stats, ...watch })), stats };
    });
  }
  const open = await openedFor(op, model, batches, calibration, watch);
  try {
    return await reaching(op, target, rewriting, (wanted, again) => {
      // statistics to go on from are of other bits by then
      const settings = again ? { ...open.settings, resume: null } : open.settings;
      return rewriteSequentially({ ...open, settings }, wanted, watch);
    });
  } finally {
    open.dispose();
  }
}

/** Rewrites after the first, at most: what rules give is measured on a part of what they change. */
const ROUNDS = 3;

/** Rewrites, and where that misses the target again with what helps. */
async function reaching(
  op: string,
  target: RecipeTarget | undefined,
  rewriting: RewriteOptions,
  rewrite: (options: RewriteOptions, again: boolean) => Promise<SequentialResult>,
): Promise<QuantizeResult> {
  const run = (options: RewriteOptions, again: boolean) =>
    named(op, '', () => rewrite(options, again));
  if (target === undefined) return { ...(await run(rewriting, false)), recipe: null };
  let result = await run({ ranks: TARGET_RANKS, ...rewriting }, false);
  try {
    const first = firstAttempt(op, result.report, rewriting.rules, target);
    let { recipe } = first;
    let attempt: Attempt | null = recipe.rules.length === 0 ? null : first;
    for (let round = 0; round < ROUNDS && attempt !== null; round++) {
      const rules = rulesOf(op, attempt);
      const { ranks: _, ...options } = { ...rewriting, rules };
      const next = await run(options, true);
      result.model.dispose();
      result = next;
      recipe = attempt.isInstead ? attempt.recipe : joinedRecipes(recipe, attempt.recipe);
      attempt = nextAttempt(op, target, first, { report: result.report, rules, recipe });
    }
    return { ...result, report: withShortfall(result.report, target), recipe };
  } catch (error) {
    result.model.dispose();
    throw error;
  }
}

async function openedFor(
  op: string,
  model: AnyModel,
  batches: Iterable<Batch> | AsyncIterable<Batch> | CalibrationStats,
  calibration: CalibrateOptions,
  watch: WatchOptions,
): Promise<OpenSequential> {
  if (batches instanceof CalibrationStats) {
    const wanted = 'inputs of the model where sequential is true';
    const wayOut = 'Statistics that a sequential calibration gave need no sequential: true.';
    throw new InvalidArgumentError(op, 'batches', wanted, 'statistics', wayOut);
  }
  return named(op, 'calibrate.', () => openSequential(op, model, batches, calibration, watch));
}

async function statsOf(
  op: string,
  model: AnyModel,
  batches: Iterable<Batch> | AsyncIterable<Batch> | CalibrationStats,
  options: CalibrateOptions,
): Promise<CalibrationStats> {
  if (batches instanceof CalibrationStats) return statsGiven(op, 'batches', batches);
  checkBatches(op, batches);
  return named(op, 'calibrate.', () => calibrate(model, batches, options));
}

/** What is wrong with an argument, in the name of who was called, who calls it by a longer name. */
async function named<T>(op: string, prefix: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    const { argument, wanted, got, wayOut } = error;
    const own = /^(model|batches|sequential)/.test(argument) ? '' : prefix;
    throw new InvalidArgumentError(op, `${own}${argument}`, wanted, got, wayOut);
  }
}
