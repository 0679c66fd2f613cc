import type { Ref } from '../graph/ir.js';

/**
 * Which tokens of a site count, as the graph knows it in a run: [samples..., tokens], or what
 * broadcasts to that.
 */
export type TokenMask = KeysMask | PartMask | AnyMask | NamedMask;

/** The keys that some query of an attention sees: in all of the terms. */
export interface KeysMask {
  readonly kind: 'keys';
  readonly terms: readonly PlacedTerm[];
}

/** A tensor that hides keys, and what its axes are for a site. */
export interface PlacedTerm {
  readonly ref: Ref;
  readonly negated: boolean;
  /** A key is seen where the tensor, or its negative, is above this. */
  readonly above: number;
  /** Its lengths with samples and heads on axes of their own, where they are on one; else null. */
  readonly apart: readonly number[] | null;
  /** The axes (of what is apart) over which one that is above is enough: queries, heads. */
  readonly reduced: readonly number[];
  /** The axes to put in, so that those of the samples stand where the site has them. */
  readonly inserted: readonly number[];
  /** How many axes there are then. */
  readonly rank: number;
}

/** Neighbours among the tokens of a longer axis. */
export interface PartMask {
  readonly kind: 'part';
  readonly of: TokenMask;
  /** How many stand before and behind; null for what is known in the run alone. */
  readonly before: number | null;
  readonly behind: number | null;
  readonly size: number | null;
}

/** Tokens that one of several attentions sees. */
export interface AnyMask {
  readonly kind: 'any';
  readonly of: readonly TokenMask[];
}

/** A tensor of the graph, by the caller's word: what is not 0 counts. */
export interface NamedMask {
  readonly kind: 'named';
  readonly ref: Ref;
  readonly rank: number;
}

/** A mask in words, the same for the same mask: reports and statistics have it. */
export function maskText(mask: TokenMask): string {
  switch (mask.kind) {
    case 'keys':
      return mask.terms.map(termText).join(' & ');
    case 'part':
      return `(${maskText(mask.of)})[${mask.before ?? ''}:${endText(mask)}]`;
    case 'any':
      return mask.of.map((one) => `(${maskText(one)})`).join(' | ');
    case 'named':
      return mask.ref;
    default:
      return mask satisfies never;
  }
}

function termText({ ref, negated, above, apart, reduced }: PlacedTerm): string {
  const over = reduced.length === 0 ? '' : `max[${reduced}] `;
  const shaped = apart === null ? ref : `${ref}[${apart}]`;
  return `${over}${negated ? '−' : ''}${shaped} > ${above}`;
}

function endText({ before, behind, size }: PartMask): string {
  if (behind === 0) return '';
  if (behind !== null) return `-${behind}`;
  return before !== null && size !== null ? `${before + size}` : '?';
}

/** The tensors of the graph that a mask is made of. */
export function maskRefs(mask: TokenMask): readonly Ref[] {
  switch (mask.kind) {
    case 'keys':
      return mask.terms.map(({ ref }) => ref);
    case 'part':
      return maskRefs(mask.of);
    case 'any':
      return mask.of.flatMap(maskRefs);
    case 'named':
      return [mask.ref];
    default:
      return mask satisfies never;
  }
}

/** How many axes it has. */
export function maskRank(mask: TokenMask): number {
  switch (mask.kind) {
    case 'keys':
      return Math.max(...mask.terms.map(({ rank }) => rank));
    case 'part':
      return maskRank(mask.of);
    case 'any':
      return Math.max(...mask.of.map(maskRank));
    case 'named':
      return mask.rank;
    default:
      return mask satisfies never;
  }
}
