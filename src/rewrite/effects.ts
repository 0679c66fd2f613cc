import { fits } from '../recognize/fits.js';
import type { Done } from './done.js';
import { writtenRules } from './impliedRules.js';
import { type LinearOptions, type RewriteOptions, type Rule, TARGET_RANKS } from './options.js';

/** Where an option does something, and what is missing elsewhere. */
interface Effect {
  /** Its value where it was given. */
  readonly given: (options: LinearOptions) => unknown;
  /** The value that asks for nothing. */
  readonly idle?: unknown;
  readonly on: (done: Done) => boolean;
  /** Why it has no effect. */
  readonly otherwise: string;
}

const transformed = ({ settings }: Done) => settings.treatment === 'transform';
const codes = ({ settings }: Done) => settings.activations.format.kind !== 'float32';
const NOT_TRANSFORMED = 'no linear is transformed';
const NOT_ROTATED = 'no linear is rotated';
const OVERRULED = 'rules give another wherever it holds';
const NO_CODES = 'no activations are quantized';

/** By the option's name as the caller writes it. */
const EFFECTS: Readonly<Record<string, Effect>> = {
  method: { given: (o) => o.method, on: transformed, otherwise: NOT_TRANSFORMED },
  center: { given: (o) => o.center, on: transformed, otherwise: NOT_TRANSFORMED },
  scale: { given: (o) => o.scale, on: transformed, otherwise: NOT_TRANSFORMED },
  rotate: { given: (o) => o.rotate, on: transformed, otherwise: NOT_TRANSFORMED },
  activations: { given: (o) => o.activations, on: transformed, otherwise: NOT_TRANSFORMED },
  signs: { given: (o) => o.signs, on: ({ rotated }) => rotated, otherwise: NOT_ROTATED },
  blockSize: { given: (o) => o.blockSize, on: ({ rotated }) => rotated, otherwise: NOT_ROTATED },
  meanRank: {
    given: (o) => o.meanRank,
    on: (done) => transformed(done) && done.parts.center === 'dynamic',
    otherwise: "no linear is centered by 'dynamic'",
  },
  alpha: {
    given: (o) => o.alpha,
    on: (done) => transformed(done) && done.parts.scale === 'smoothquant',
    otherwise: "no linear is scaled by 'smoothquant'",
  },
  lowRank: {
    given: (o) => o.lowRank,
    idle: 0,
    on: (done) => transformed(done) && done.packed,
    otherwise: 'no weights of a transformed linear are quantized',
  },
  branch: {
    given: (o) => o.branch,
    idle: 'auto',
    on: (done) => transformed(done) && done.packed && done.settings.lowRank !== 0,
    otherwise: 'no linear has a lowRank',
  },
  'activations.groupSize': {
    given: (o) => o.activations?.groupSize,
    on: ({ settings: { treatment, activations } }) =>
      treatment === 'transform' &&
      activations.format.kind === 'uniform' &&
      activations.format.granularity.kind === 'perGroup',
    otherwise: "no activations are quantized by 'perGroup'",
  },
  'activations.range': {
    given: (o) => o.activations?.range,
    on: codes,
    otherwise: NO_CODES,
  },
  'activations.symmetric': {
    given: (o) => o.activations?.symmetric,
    on: codes,
    otherwise: NO_CODES,
  },
  'weights.groupSize': {
    given: (o) => o.weights?.groupSize,
    on: ({ settings: { weights } }) =>
      weights.format.kind === 'uniform' && weights.format.granularity.kind === 'perGroup',
    otherwise: "no weights are quantized by 'perGroup'",
  },
};

/** Options that were given and did nothing, each with the reason. */
export function optionsWithoutEffect(done: readonly Done[], options: RewriteOptions): string[] {
  const { rules = [], stats, compare, ranks, seed, weightOnly, fuse } = options;
  if (done.length === 0) {
    const instead = 'fuseGraph fuses what is not quantized';
    return fuse === true ? [`fuse had no effect: ${instead}`] : [];
  }
  const whole: readonly (readonly [string, boolean, (done: Done) => boolean, string])[] = [
    ['stats', stats !== undefined, measured, 'nothing is measured on them'],
    ['compare', compare === true, compared, 'there is nothing to measure other methods on'],
    ['ranks', askedFor(ranks), ranked, 'no linear has a branch that was measured'],
    ['seed', seed !== undefined, signed, 'no linear has random signs'],
    ['weightOnly', typeof weightOnly === 'object', weightsOnly, 'no linear is left untransformed'],
  ];
  const notes = whole.flatMap(([name, given, on, why]) =>
    given && !done.some(on) ? [`${name} had no effect: ${why}`] : [],
  );
  const ruled = writtenRules(rules).flatMap(({ rule, later }, i) => {
    const its = done.filter(({ name, role }) => fits(rule, name, role));
    // one that matches nothing, or skips, is no matter of its options
    return its.length === 0 ? [] : without(rule, its, later, `rules[${i}].`);
  });
  const written = writtenRules(rules).map(({ rule }) => rule);
  return [...notes, ...without(options, done, written, ''), ...ruled];
}

const measured = ({ measured: { sqnr } }: Done) => sqnr !== null;
const compared = ({ measured }: Done) => Object.keys(measured.compared).length > 0;
/** By the caller: those of a target are measured where there is something to measure. */
function askedFor(ranks: readonly number[] | undefined): boolean {
  return ranks !== undefined && ranks.length > 0 && ranks !== TARGET_RANKS;
}

const ranked = ({ measured }: Done) => measured.atRanks !== undefined;
const signed = ({ rotated, parts }: Done) => rotated && parts.signs;
const weightsOnly = ({ settings }: Done) => settings.treatment === 'weightOnly';

/** Options of one layer, of the linears that it is for; the rules behind it go before it. */
function without(
  options: LinearOptions,
  done: readonly Done[],
  later: readonly Rule[],
  at: string,
): string[] {
  return Object.entries(EFFECTS).flatMap(([name, { given, idle, on, otherwise }]) => {
    const value = given(options);
    if (value === undefined || value === idle) return [];
    const kept = done.filter(
      (one) =>
        !later.some((rule) => fits(rule, one.name, one.role) && replaces(given(rule), value)),
    );
    if (kept.some(on)) return [];
    const overruled = kept.length === 0 || done.some(on);
    return [`${at}${name} had no effect: ${overruled ? OVERRULED : otherwise}`];
  });
}

/** Whether nothing of a value is left under another that goes before it: objects are merged. */
function replaces(other: unknown, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return other !== undefined;
  return Object.entries(value).every(
    ([key, part]) => part === undefined || (other as typeof value)?.[key as never] !== undefined,
  );
}
