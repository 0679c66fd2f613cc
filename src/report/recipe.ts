import { checkOptions } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { Treatment } from '../quantize/measured.js';
import type { Method } from '../quantize/methods.js';
import { formatBytes, formatDb, meanOf } from './format.js';
import { type Choice, choicesOf } from './recipeChoices.js';
import type { QuantizationReport } from './report.js';
import { reportGiven } from './reportReader.js';

/** What a recipe is to reach: exactly one of these. */
export type RecipeTarget =
  /** Decibels that the output of every transformed linear has at least. */
  | { readonly minSqnr: number }
  /** Decibels that the outputs of the transformed linears have at least on average. */
  | { readonly meanSqnr: number }
  /** Bytes of the model that are not exceeded; the worst linears get 8 bits while these last. */
  | { readonly maxBytes: number };

/**
 * Bits for one linear, by its exact name, and how it is treated now, where that is known: with
 * other bits another treatment might be chosen, of another size than was reckoned with.
 */
export interface RecipeRule extends Partial<Treatment> {
  readonly match: string;
  readonly method?: Method;
  readonly weights: { readonly bits: number };
  readonly activations: { readonly bits: number };
}

/** Which linears to keep in 8 bits, and what that gives on the calibration data. */
export interface Recipe {
  /** The worst linear first; empty when the report reaches its target as it is. */
  readonly rules: readonly RecipeRule[];
  readonly expected: {
    readonly meanSqnr: number;
    readonly minSqnr: number;
    readonly modelBytes: number;
  };
}

const BITS = 8;

/**
 * Picks the linears that 8-bit weights and activations help most to reach a target: the worst
 * output first, and no more of them than it takes (with `maxBytes`: as many as fit).
 *
 * @param report From a rewrite with calibration data.
 * @throws InvalidArgumentError for a report without calibration data, and for a target that 8 bits
 * do not reach: the message says the best that can be had.
 *
 * @example
 * ```ts
 * import { recommendRules, type LinearReport, type QuantizationReport } from 'tfjs-hadanorm';
 *
 * const sqnr = { activations: 21, weights: 22, output: 17.5 };
 * const linear: LinearReport = {
 *   name: 'blocks/0/mlp/fc2',
 *   role: 'mlp.out',
 *   shape: [1536, 384],
 *   treatment: 'transformed',
 *   method: 'hadanorm',
 *   weightBits: 4,
 *   activationBits: 4,
 *   rounding: 'nearest',
 *   execution: 'simulated',
 *   reason: '',
 *   bytes: { before: 2_359_296, after: 296_448 },
 *   sqnr,
 *   compared: {},
 *   at8Bits: { output: 42, bytes: 591_360 },
 *   byTimestep: [],
 *   channels: null,
 * };
 * const report: QuantizationReport = {
 *   version: 1,
 *   method: 'hadanorm',
 *   linears: [linear],
 *   totals: { sqnr, compared: {}, linearBytes: linear.bytes, modelBytes: linear.bytes },
 * };
 * const { rules, expected } = recommendRules(report, { minSqnr: 30 });
 * // [{ match: 'blocks/0/mlp/fc2', weights: { bits: 8 }, activations: { bits: 8 } }]
 * console.log(rules);
 * console.log(expected); // { meanSqnr: 42, minSqnr: 42, modelBytes: 591360 }
 * ```
 */
export function recommendRules(report: QuantizationReport, target: RecipeTarget): Recipe {
  return recipeFor('recommendRules', report, target);
}

/** As `recommendRules`, in the name of another function. */
export function recipeFor(op: string, report: QuantizationReport, target: RecipeTarget): Recipe {
  const read = reportGiven(op, report);
  const [kind, value] = checkTarget(op, target);
  const worstFirst = choicesOf(read, op).sort((a, b) => a.now - b.now);
  const bytes = read.totals.modelBytes.after;
  const kept = PICKERS[kind](op, worstFirst, value, bytes);
  const rule = ({ name: match, kept: treatment }: Choice): RecipeRule => ({
    match,
    weights: { bits: BITS },
    activations: { bits: BITS },
    ...treatment,
  });
  return { rules: kept.map(rule), expected: expectedOf(worstFirst, new Set(kept), bytes) };
}

type Kind = 'minSqnr' | 'meanSqnr' | 'maxBytes';
type Picker = (
  op: string,
  worstFirst: readonly Choice[],
  target: number,
  bytes: number,
) => Choice[];

const PICKERS: Readonly<Record<Kind, Picker>> = {
  minSqnr(op, worstFirst, target) {
    const best = Math.min(...worstFirst.map(({ at8Bits }) => at8Bits));
    if (best < target) throw unreachable(op, 'minSqnr', atMost(best), target);
    return worstFirst.filter(({ now }) => now < target);
  },

  meanSqnr(op, worstFirst, target) {
    const best = meanOf(worstFirst.map(({ at8Bits }) => at8Bits))!;
    if (best < target) throw unreachable(op, 'meanSqnr', atMost(best), target);
    const kept: Choice[] = [];
    for (const choice of helped(worstFirst)) {
      if (expectedOf(worstFirst, new Set(kept), 0).meanSqnr >= target) break;
      kept.push(choice);
    }
    return kept;
  },

  maxBytes(op, worstFirst, target, bytes) {
    if (bytes > target) {
      const min = `at least ${bytes} (${formatBytes(bytes)})`;
      throw unreachable(op, 'maxBytes', min, target);
    }
    let left = target - bytes;
    return helped(worstFirst).filter(({ extraBytes }) => {
      if (extraBytes > left) return false;
      left -= extraBytes;
      return true;
    });
  },
};

function checkTarget(op: string, target: RecipeTarget): [Kind, number] {
  const kinds = Object.keys(PICKERS) as Kind[];
  checkOptions(op, target, kinds, 'target');
  const given = Object.entries(target) as [Kind, unknown][];
  const [first] = given;
  if (first === undefined || given.length > 1) {
    const wanted = `exactly one of ${kinds.join(', ')}`;
    throw new InvalidArgumentError(op, 'target', wanted, describe(target));
  }
  const [kind, value] = first;
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw new InvalidArgumentError(op, `target.${kind}`, 'a number', describe(value));
  }
  return [kind, value];
}

function helped(choices: readonly Choice[]): Choice[] {
  return choices.filter(({ now, at8Bits }) => at8Bits > now);
}

function expectedOf(
  choices: readonly Choice[],
  kept: ReadonlySet<Choice>,
  bytes: number,
): Recipe['expected'] {
  const outputs = choices.map((choice) => (kept.has(choice) ? choice.at8Bits : choice.now));
  const extra = [...kept].reduce((sum, { extraBytes }) => sum + extraBytes, 0);
  return {
    meanSqnr: meanOf(outputs)!,
    minSqnr: Math.min(...outputs),
    modelBytes: bytes + extra,
  };
}

/** Rounded down, so that what the message says can be had. */
function atMost(best: number): string {
  return `at most ${formatDb(Math.floor(best * 10) / 10)} dB`;
}

function unreachable(op: string, kind: Kind, best: string, target: number): InvalidArgumentError {
  const [some, instead] =
    kind === 'maxBytes'
      ? ['no', 'quantize to fewer bits first']
      : ['every', 'take a better method, or leave out the worst linears'];
  const wayOut = `That is with ${some} linear in 8 bits; ${instead}.`;
  return new InvalidArgumentError(op, `target.${kind}`, best, `${target}`, wayOut);
}
