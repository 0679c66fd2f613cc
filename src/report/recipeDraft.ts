import type { Treatment } from '../quantize/measured.js';
import type { Method } from '../quantize/methods.js';
import { meanOf } from './format.js';
import type { Choice, Site, SiteRank } from './recipeChoices.js';

/**
 * Bits for one linear, by its exact name, or the rank of its branch; and how it is treated now,
 * where that is known: with others another treatment might be chosen, of another size than was
 * reckoned with.
 */
export interface RecipeRule extends Partial<Treatment> {
  readonly match: string;
  readonly method?: Method;
  readonly weights?: { readonly bits: number };
  readonly activations?: { readonly bits: number };
}

/** Which linears to keep in 8 bits or to give another rank, and what that gives. */
export interface Recipe {
  /** The worst linear first; empty when the report reaches its target as it is. */
  readonly rules: readonly RecipeRule[];
  /** On the calibration data. */
  readonly expected: {
    readonly meanSqnr: number;
    readonly minSqnr: number;
    readonly modelBytes: number;
  };
}

/** A site as a recipe has it. */
export interface Draft {
  readonly site: Site;
  /** Null: as it is. */
  readonly rank: SiteRank | null;
  readonly in8Bits: ReadonlySet<Choice>;
}

/** Sites as they are. */
export function unchanged(sites: readonly Site[]): Draft[] {
  return sites.map((site) => ({ site, rank: null, in8Bits: new Set() }));
}

/** Decibels of each linear. One with 8 bits leaves its site, for a transform of its own. */
export function outputsOf({ site, rank, in8Bits }: Draft): number[] {
  return site.linears.map((linear, i) =>
    in8Bits.has(linear) ? linear.at8Bits : (rank?.outputs[i] ?? linear.now),
  );
}

/** Bytes more than now: of those that leave, what they share stays with the others. */
export function extraBytesOf({ site, rank, in8Bits }: Draft): number {
  return site.linears.reduce((sum, linear, i) => {
    const left = in8Bits.has(linear);
    const own = left ? linear.extraBytes : 0;
    const ofRank = rank === null || (left && i > 0) ? 0 : rank.extraBytes[i]!;
    return sum + own + ofRank;
  }, 0);
}

/** Bytes more than now, of all. */
export function totalBytes(drafts: readonly Draft[]): number {
  return drafts.reduce((sum, draft) => sum + extraBytesOf(draft), 0);
}

/** The worst linear first. */
export function rulesOf(drafts: readonly Draft[]): RecipeRule[] {
  const rules = drafts.flatMap(({ site, rank, in8Bits }) =>
    site.linears.flatMap((linear) => {
      const { name: match, kept, now } = linear;
      if (in8Bits.has(linear)) return { now, rule: { match, ...IN_8_BITS, ...kept } };
      if (rank === null) return [];
      return { now, rule: { match, ...kept, ...site.now, lowRank: rank.lowRank } };
    }),
  );
  return rules.sort((a, b) => a.now - b.now || 0).map(({ rule }) => rule);
}

const IN_8_BITS = { weights: { bits: 8 }, activations: { bits: 8 } } as const;

/** What they give. */
export function expectedOf(drafts: readonly Draft[], bytes: number): Recipe['expected'] {
  const outputs = drafts
    .flatMap((draft) => {
      const own = outputsOf(draft);
      return draft.site.linears.map(({ now }, i) => ({ now, output: own[i]! }));
    })
    .sort((a, b) => a.now - b.now || 0)
    .map(({ output }) => output);
  return {
    meanSqnr: meanOf(outputs)!,
    minSqnr: Math.min(...outputs),
    modelBytes: bytes + totalBytes(drafts),
  };
}
