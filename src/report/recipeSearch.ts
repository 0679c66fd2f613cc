import type { Site, SiteRank } from './recipeChoices.js';
import { type Draft, extraBytesOf, outputsOf, totalBytes, unchanged } from './recipeDraft.js';

/** What a linear's output is worth, in decibels; a recipe is worth the sum. */
export type Worth = (output: number) => number;

/** What all linears together are worth. */
export function worthOf(drafts: readonly Draft[], worth: Worth): number {
  return drafts.flatMap(outputsOf).reduce((sum, output) => sum + worth(output), 0);
}

/** What brings every linear of a site to some decibels for the least bytes; null: nothing does. */
export function cheapest(site: Site, least: number): Draft | null {
  const drafts = [null, ...larger(site)].flatMap((rank): Draft[] => {
    const outputs = outputsOf({ site, rank, in8Bits: new Set() });
    const short = site.linears.filter((_, i) => outputs[i]! < least);
    if (short.some(({ at8Bits }) => at8Bits < least)) return [];
    return [tidied({ site, rank, in8Bits: new Set(short) })];
  });
  const [first, ...others] = drafts;
  if (first === undefined) return null;
  return others.reduce((a, b) => (extraBytesOf(b) < extraBytesOf(a) ? b : a), first);
}

/** The decibels that all linears of a site can have at least. */
export function bestOf(site: Site): number {
  const ranks = [null, ...larger(site)];
  const least = ranks.map((rank) =>
    Math.min(
      ...site.linears.map(({ now, at8Bits }, i) => Math.max(rank?.outputs[i] ?? now, at8Bits)),
    ),
  );
  return Math.max(...least);
}

/**
 * Takes what is worth most a byte, larger branches and 8 bits, as long as something is worth more
 * than nothing and fits.
 *
 * @param drafts The first ones go before others that are worth as much.
 * @param isEnough Whether no more is wanted.
 */
export function climbed(
  drafts: readonly Draft[],
  worth: Worth,
  room: number,
  isEnough: (drafts: readonly Draft[]) => boolean,
): Draft[] {
  let now = [...drafts];
  let left = room;
  while (!isEnough(now)) {
    const step = bestStep(now, stepsUp, (before, after) => {
      const bytes = extraBytesOf(after) - extraBytesOf(before);
      const gain = gainOf(before, after, worth);
      if (!(gain > 0) || bytes > left) return null;
      return bytes <= 0 ? Number.POSITIVE_INFINITY : gain / bytes;
    });
    if (step === null) break;
    left -= extraBytesOf(step.after) - extraBytesOf(now[step.at]!);
    now = now.with(step.at, step.after);
  }
  return now;
}

/** Gives up directions where they are worth least a byte, until so many bytes are saved. */
export function descended(drafts: readonly Draft[], worth: Worth, saving: number): Draft[] | null {
  let now = [...drafts];
  while (-totalBytes(now) < saving) {
    const step = bestStep(now, stepsDown, (before, after) => {
      const bytes = extraBytesOf(before) - extraBytesOf(after);
      return bytes <= 0 ? null : gainOf(before, after, worth) / bytes;
    });
    if (step === null) return null;
    now = now.with(step.at, step.after);
  }
  return now;
}

/** With the least directions that were measured. */
export function smallest(sites: readonly Site[]): Draft[] {
  return unchanged(sites).map((draft) =>
    stepsDown(draft).reduce((a, b) => (extraBytesOf(b) < extraBytesOf(a) ? b : a), draft),
  );
}

/** Without what is not needed for them to be enough, the largest first. */
export function pruned(
  drafts: readonly Draft[],
  isEnough: (drafts: readonly Draft[]) => boolean,
): Draft[] {
  let now = [...drafts];
  const undone = drafts
    .flatMap((draft, at) => stepsBack(draft).map((part) => ({ at, ...part })))
    .sort((a, b) => b.bytes - a.bytes);
  for (const { at, undo } of undone) {
    const less = now.with(at, undo(now[at]!));
    if (isEnough(less)) now = less;
  }
  return now;
}

interface Step {
  readonly at: number;
  readonly after: Draft;
}

function bestStep(
  drafts: readonly Draft[],
  stepsOf: (draft: Draft) => readonly Draft[],
  scoreOf: (before: Draft, after: Draft) => number | null,
): Step | null {
  let best: Step | null = null;
  let most = Number.NEGATIVE_INFINITY;
  drafts.forEach((before, at) => {
    for (const after of stepsOf(before)) {
      const score = scoreOf(before, after);
      if (score === null || (best !== null && score <= most)) continue;
      [best, most] = [{ at, after }, score];
    }
  });
  return best;
}

/** Linears to 8 bits one by one, and larger branches. */
function stepsUp(draft: Draft): Draft[] {
  const { site, rank, in8Bits } = draft;
  const plain = site.linears.filter((linear) => !in8Bits.has(linear));
  if (plain.length === 0) return [];
  const raised = plain.map((linear) =>
    tidied({ ...draft, in8Bits: new Set([...in8Bits, linear]) }),
  );
  const own = rank?.lowRank ?? site.now.lowRank;
  const ranks = larger(site).filter(({ lowRank }) => lowRank > own);
  return [...raised, ...ranks.map((other) => ({ ...draft, rank: other }))];
}

function stepsDown(draft: Draft): Draft[] {
  const own = draft.rank?.lowRank ?? draft.site.now.lowRank;
  return draft.site.ranks
    .filter(({ lowRank }) => lowRank < own)
    .map((rank) => ({ ...draft, rank }));
}

/** Parts of a draft that can be taken back, with their bytes. */
function stepsBack({ rank, in8Bits }: Draft) {
  const linears = [...in8Bits].map((linear) => ({
    bytes: linear.extraBytes,
    undo: (draft: Draft): Draft => {
      const rest = new Set([...draft.in8Bits].filter((other) => other !== linear));
      return { ...draft, in8Bits: rest };
    },
  }));
  const undo = (draft: Draft): Draft => ({ ...draft, rank: null });
  if (rank === null) return linears;
  const bytes = rank.extraBytes.reduce((sum, extra) => sum + extra, 0);
  return [...linears, { bytes, undo }];
}

function larger({ ranks, now }: Site): SiteRank[] {
  return ranks.filter(({ lowRank }) => lowRank > now.lowRank);
}

/** Where all linears have left, no branch of theirs is left to have a rank. */
function tidied(draft: Draft): Draft {
  return draft.in8Bits.size < draft.site.linears.length ? draft : { ...draft, rank: null };
}

function gainOf(before: Draft, after: Draft, worth: Worth): number {
  const earlier = outputsOf(before);
  return outputsOf(after).reduce((sum, output, i) => {
    // both may be infinite
    return output === earlier[i]! ? sum : sum + worth(output) - worth(earlier[i]!);
  }, 0);
}
