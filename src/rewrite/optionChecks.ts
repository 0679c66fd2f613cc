import { checkBoolean, checkInteger, checkOptions } from '../../ops/common/checks.js';
import { checkLength } from '../../ops/common/sizes.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { statsGiven } from '../calibrate/stats.js';
import { BRANCH_KINDS } from '../quantize/branch.js';
import { METHODS } from '../quantize/methods.js';
import type { LinearSettings } from '../quantize/settings.js';
import { checkSelector } from '../recognize/fits.js';
import { checkTokenMask } from '../recognize/tokenMaskOption.js';
import type {
  ActivationOptions,
  LinearOptions,
  RewriteOptions,
  Rule,
  WeightOptions,
} from './options.js';

const LINEAR_KEYS = [
  ...['method', 'weights', 'activations', 'center', 'meanRank', 'scale', 'alpha', 'rotate'],
  ...['signs', 'lowRank', 'branch', 'blockSize'],
];

const MODEL_KEYS = [
  ...['rules', 'weightOnly', 'mode', 'fuse', 'tokenMask', 'seed', 'compare', 'ranks'],
];

/** Checks everything once. @throws InvalidArgumentError that names the option. */
export function checkRewriteOptions(op: string, options: RewriteOptions): void {
  checkOptions(op, options, [...LINEAR_KEYS, 'stats', ...MODEL_KEYS]);
  if (options.stats !== undefined) statsGiven(op, 'stats', options.stats);
  checkValues(op, '', options);
}

/**
 * The same of options that have no statistics: of a preset, or beside one.
 * @param whose Where they stand, for messages: 'preset.options'.
 */
export function checkOptionsOnly(op: string, options: RewriteOptions, whose?: string): void {
  checkOptions(op, options, [...LINEAR_KEYS, ...MODEL_KEYS], whose);
  checkValues(op, whose === undefined ? '' : `${whose}.`, options);
}

function checkValues(op: string, at: string, options: RewriteOptions): void {
  checkLinearOptions(op, at, options);
  checkChoice(op, `${at}mode`, options.mode, ['simulate', 'integer']);
  const { weightOnly, fuse, seed, compare, tokenMask, ranks } = options;
  if (weightOnly !== undefined && weightOnly !== false) {
    checkWeights(op, `${at}weightOnly`, weightOnly);
  }
  if (seed !== undefined) checkInteger(op, `${at}seed`, seed, 0, 2 ** 32 - 1);
  if (compare !== undefined) checkBoolean(op, `${at}compare`, compare);
  if (ranks !== undefined) checkRanks(op, `${at}ranks`, ranks);
  checkTokenMask(op, tokenMask);
  if (fuse !== undefined) checkBoolean(op, `${at}fuse`, fuse);
  if (options.rules !== undefined) checkRules(op, `${at}rules`, options.rules);
}

/** @throws InvalidArgumentError that names the rule, as a part of `at`. */
export function checkRules(op: string, at: string, rules: readonly Rule[]): void {
  if (!Array.isArray(rules)) {
    throw new InvalidArgumentError(op, at, 'an array of rules', describe(rules));
  }
  // holes too, which forEach passes over
  for (const [i, rule] of rules.entries()) {
    const name = `${at}[${i}]`;
    checkOptions(op, rule, [...LINEAR_KEYS, 'role', 'match', 'treatment'], name);
    checkLinearOptions(op, `${name}.`, rule);
    checkSelector(op, name, rule);
    checkChoice(op, `${name}.treatment`, rule.treatment, ['transform', 'weightOnly', 'skip']);
  }
}

/**
 * What no option alone shows: rules can put parts together that do not fit. @throws
 * InvalidArgumentError.
 */
export function checkSettings(
  op: string,
  name: string,
  { activations, treatment }: LinearSettings,
): void {
  const { format, range } = activations;
  if (treatment !== 'transform' || format.kind === 'float32') return;
  const { kind } = format.granularity;
  if (range !== 'static' || kind === 'perTensor') return;
  const wanted = `'perTensor' for ${JSON.stringify(name)}, whose range is 'static'`;
  throw new InvalidArgumentError(op, 'activations.granularity', wanted, describe(kind));
}

function checkLinearOptions(op: string, at: string, options: LinearOptions): void {
  const { meanRank, alpha, lowRank, blockSize } = options;
  checkChoice(op, `${at}method`, options.method, [...Object.keys(METHODS), 'auto']);
  checkChoice(op, `${at}center`, options.center, ['none', 'static', 'dynamic', 'auto']);
  checkChoice(op, `${at}scale`, options.scale, ['balanced', 'std', 'smoothquant', 'none']);
  if (meanRank !== undefined && meanRank !== 'auto')
    checkInteger(op, `${at}meanRank`, meanRank, 0, 64);
  if (lowRank !== undefined && lowRank !== 'auto')
    checkInteger(op, `${at}lowRank`, lowRank, 0, MOST_RANK);
  checkChoice(op, `${at}branch`, options.branch, [...BRANCH_KINDS, 'auto']);
  if (blockSize !== undefined) checkLength(op, `${at}blockSize`, blockSize);
  if (options.signs !== undefined) checkBoolean(op, `${at}signs`, options.signs);
  if (options.rotate !== undefined && options.rotate !== 'auto') {
    checkBoolean(op, `${at}rotate`, options.rotate);
  }
  if (alpha !== undefined && !(typeof alpha === 'number' && alpha >= 0 && alpha <= 1)) {
    throw new InvalidArgumentError(op, `${at}alpha`, 'a number from 0 to 1', describe(alpha));
  }
  if (options.weights !== undefined) checkWeights(op, `${at}weights`, options.weights);
  if (options.activations !== undefined)
    checkActivations(op, `${at}activations`, options.activations);
}

function checkRanks(op: string, at: string, ranks: readonly number[]): void {
  if (!Array.isArray(ranks)) {
    throw new InvalidArgumentError(op, at, 'an array of ranks', describe(ranks));
  }
  // holes too
  for (const [i, rank] of ranks.entries()) checkInteger(op, `${at}[${i}]`, rank, 1, MOST_RANK);
}

/** More directions than any model was seen to gain by. */
const MOST_RANK = 1024;

function checkWeights(op: string, at: string, options: WeightOptions): void {
  checkOptions(op, options, ['bits', 'granularity', 'groupSize', 'clipping', 'rounding'], at);
  checkBits(op, `${at}.bits`, options.bits);
  checkChoice(op, `${at}.granularity`, options.granularity, ['perGroup', 'perChannel']);
  checkChoice(op, `${at}.clipping`, options.clipping, ['search', 'none']);
  checkChoice(op, `${at}.rounding`, options.rounding, ['nearest', 'gptq']);
  if (options.groupSize !== undefined) checkLength(op, `${at}.groupSize`, options.groupSize);
}

function checkActivations(op: string, at: string, options: ActivationOptions): void {
  checkOptions(op, options, ['bits', 'symmetric', 'granularity', 'groupSize', 'range'], at);
  checkBits(op, `${at}.bits`, options.bits);
  checkChoice(op, `${at}.granularity`, options.granularity, ['perToken', 'perGroup', 'perTensor']);
  checkChoice(op, `${at}.range`, options.range, ['dynamic', 'static']);
  if (options.symmetric !== undefined) checkBoolean(op, `${at}.symmetric`, options.symmetric);
  if (options.groupSize !== undefined) checkLength(op, `${at}.groupSize`, options.groupSize);
  if (options.range === 'static' && (options.granularity ?? 'perTensor') !== 'perTensor') {
    const wanted = "'perTensor' where range is 'static'";
    throw new InvalidArgumentError(op, `${at}.granularity`, wanted, describe(options.granularity));
  }
}

function checkBits(op: string, at: string, bits: number | null | undefined): void {
  if (bits === undefined || bits === null) return;
  if (Number.isInteger(bits) && bits >= 2 && bits <= 8) return;
  throw new InvalidArgumentError(op, at, 'an integer from 2 to 8, or null', describe(bits));
}

function checkChoice(
  op: string,
  at: string,
  value: string | undefined,
  choices: readonly string[],
): void {
  if (value === undefined || choices.includes(value)) return;
  throw new InvalidArgumentError(op, at, `one of ${choices.join(', ')}`, describe(value));
}
