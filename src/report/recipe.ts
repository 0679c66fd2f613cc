import { checkOptions } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { formatBytes, formatDb } from './format.js';
import { type Site, sitesOf } from './recipeChoices.js';
import {
  type Draft,
  expectedOf,
  type Recipe,
  rulesOf,
  totalBytes,
  unchanged,
} from './recipeDraft.js';
import {
  bestOf,
  cheapest,
  climbed,
  descended,
  pruned,
  smallest,
  type Worth,
  worthOf,
} from './recipeSearch.js';
import type { QuantizationReport } from './report.js';
import { reportGiven } from './reportReader.js';

/** What a recipe is to reach: exactly one of these. */
export type RecipeTarget =
  /** Decibels that the output of every transformed linear has at least. */
  | { readonly minSqnr: number }
  /** Decibels that the outputs of the transformed linears have at least on average. */
  | { readonly meanSqnr: number }
  /** Bytes of the model that are not exceeded; what helps most a byte is taken while these last. */
  | { readonly maxBytes: number };

export type { Recipe, RecipeRule } from './recipeDraft.js';

/**
 * Picks what reaches a target for few bytes: 8-bit weights and activations for single linears, and
 * where the report knows what they give (option `ranks`) branches of other ranks for the linears
 * that share one. With `minSqnr` each site gets the cheapest that does; with `meanSqnr` what gives
 * most decibels a byte goes first; with `maxBytes` what takes most of the errors a byte, of
 * directions that are worth less elsewhere too, and where the model is too large as it is those are
 * given up that are worth least.
 *
 * @param report From a rewrite with calibration data.
 * @throws InvalidArgumentError for a report without calibration data, and for a target that is out
 * of reach: the message says the best that can be had.
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
  const worst = ({ linears }: Site) => Math.min(...linears.map(({ now }) => now));
  const sites = sitesOf(read, op).sort((a, b) => worst(a) - worst(b));
  const bytes = read.totals.modelBytes.after;
  const drafts = PICKERS[kind](op, sites, value, bytes);
  return { rules: rulesOf(drafts), expected: expectedOf(drafts, bytes) };
}

type Kind = 'minSqnr' | 'meanSqnr' | 'maxBytes';
type Picker = (op: string, sites: readonly Site[], target: number, bytes: number) => Draft[];

/** Decibels as they are: what a mean of them is made of. */
const asDecibels: Worth = (output) => output;

/** Of errors over their signals: what all of them together do behind the linears. */
const asErrors: Worth = (output) => -(10 ** (-output / 10));

const PICKERS: Readonly<Record<Kind, Picker>> = {
  minSqnr(op, sites, target) {
    return sites.map((site) => {
      const draft = cheapest(site, target);
      if (draft !== null) return draft;
      const best = Math.min(...sites.map(bestOf));
      throw unreachable(op, 'minSqnr', atMost(best), target);
    });
  },

  meanSqnr(op, sites, target) {
    const isEnough = (drafts: readonly Draft[]) => expectedOf(drafts, 0).meanSqnr >= target;
    const drafts = climbed(unchanged(sites), asDecibels, Number.POSITIVE_INFINITY, isEnough);
    if (isEnough(drafts)) return pruned(drafts, isEnough);
    throw unreachable(op, 'meanSqnr', atMost(expectedOf(drafts, 0).meanSqnr), target);
  },

  maxBytes(op, sites, target, bytes) {
    const room = target - bytes;
    const fewest = smallest(sites);
    const starts = [descended(unchanged(sites), asErrors, -room), fewest];
    const drafts = starts
      .filter((start) => start !== null && totalBytes(start) <= room)
      .map((start) => climbed(start!, asErrors, room - totalBytes(start!), () => false));
    const worth = (draft: readonly Draft[]) => worthOf(draft, asErrors);
    const [best] = drafts.sort((a, b) => worth(b) - worth(a) || 0);
    if (best !== undefined) return best;
    const least = bytes + totalBytes(fewest);
    throw unreachable(op, 'maxBytes', `at least ${least} (${formatBytes(least)})`, target);
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

/** Rounded down, so that what the message says can be had. */
function atMost(best: number): string {
  return `at most ${formatDb(Math.floor(best * 10) / 10)} dB`;
}

function unreachable(op: string, kind: Kind, best: string, target: number): InvalidArgumentError {
  const [some, instead] =
    kind === 'maxBytes'
      ? ['no linear in 8 bits, and the least ranks measured', 'quantize to fewer bits first']
      : [
          'every linear in 8 bits, or the largest rank measured',
          'take a better method, or leave out the worst linears',
        ];
  const wayOut = `That is with ${some}; ${instead}.`;
  return new InvalidArgumentError(op, `target.${kind}`, best, `${target}`, wayOut);
}
