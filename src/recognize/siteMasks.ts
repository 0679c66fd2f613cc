import { stringAttr } from '../graph/attrs.js';
import { type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { groupBy } from '../math/groups.js';
import type { Analysis, PlacedLinear } from './analysis.js';
import type { Atom, Axis } from './axes/atoms.js';
import { AxisFlow } from './axes/axisFlow.js';
import type { Cut } from './axes/axisRule.js';
import { DataFlow } from './dataFlow.js';
import { type KeyTerm, KeyTermFinder } from './keyTerms.js';
import type { Linear } from './linears.js';
import { NoMask, placedTerm } from './placedTerm.js';
import { SameValues } from './sameValues.js';
import type { Site } from './sites.js';
import { maskRefs, maskText, type PlacedTerm, type TokenMask } from './tokenMask.js';

/** What masks were found, by the keys of sites. */
export interface SiteMasks {
  readonly masks: ReadonlyMap<string, TokenMask>;
  /** Why sites have none though an attention hides some of their tokens, or may. */
  readonly notes: readonly string[];
}

/** What one attention says of its keys. */
interface Seen {
  readonly name: string;
  readonly keys: Atom;
  /** Null: all are seen, for all that is known. */
  readonly terms: readonly KeyTerm[] | null;
  readonly unsure: string | null;
}

/** The axes of a site: those of its samples, and its tokens. */
export interface SiteAxes {
  readonly samples: readonly Axis[];
  readonly tokens: Atom;
}

/**
 * Finds which tokens of each site count, from what the attentions of the model hide. A token counts
 * where an attention sees it as a key; what none sees is padding. Where an attention sees all
 * tokens of a site, or what it sees cannot be told, all count.
 */
export class SiteMaskFinder {
  readonly flow: AxisFlow;
  private readonly seen: readonly Seen[];
  private readonly data: DataFlow;
  private readonly same: SameValues;

  constructor(private readonly analysis: Analysis) {
    const { view, linears } = analysis;
    this.flow = new AxisFlow(view);
    this.same = new SameValues(view.graph);
    const byNode = new Map<string, Linear>();
    for (const { linear } of linears) byNode.set(linear.product, linear).set(linear.name, linear);
    const all = { list: linears.map(({ linear }) => linear), byNode };
    this.data = new DataFlow(view, all);
    const finder = new KeyTermFinder(view, this.flow, all);
    this.seen = view.nodes('Softmax', 'ScaledDotProductAttention').flatMap((node): Seen[] => {
      const keys = this.keysOf(node);
      if (keys === null) return [];
      const found = finder.termsOf(node);
      const { name } = node;
      if ('unsure' in found) return [{ name, keys, terms: null, unsure: found.unsure }];
      const terms = found.terms.length === 0 ? null : found.terms;
      return [{ name, keys, terms, unsure: null }];
    });
  }

  find(): SiteMasks {
    const masks = new Map<string, TokenMask>();
    const notes = new Map<string, string[]>();
    for (const [key, placed] of groupBy(this.analysis.linears, (one) => one.key)) {
      try {
        const mask = this.maskOf(placed);
        if (mask !== null) masks.set(key, mask);
      } catch (error) {
        if (!(error instanceof NoMask)) throw error;
        notes.set(error.message, [...(notes.get(error.message) ?? []), key]);
      }
    }
    const texts = [...notes].map(([why, keys]) => {
      const where = keys.length === 1 ? JSON.stringify(keys[0]) : `${keys.length} sites`;
      return `all tokens of ${where} count: ${why}`;
    });
    return { masks, notes: texts };
  }

  /** The axes of a site's tensor; null where they are not known, or it has no tokens. */
  axesOf({ source, axes, tokens, like, likeAxes }: Site): SiteAxes | null {
    if (tokens === 'none') return null;
    const [ref, trailing] = like === null ? [source, axes] : [like, likeAxes];
    const all = this.flow.axesOf(ref);
    const at = (all?.length ?? 0) - trailing - 1;
    const [own, ...others] = all?.[at] ?? [];
    return own === undefined || others.length > 0
      ? null
      : { samples: all!.slice(0, at), tokens: own };
  }

  private keysOf(node: GraphNode): Atom | null {
    if (node.op === 'Softmax') return single(this.flow.axesOf(node.inputs[0]!)?.at(-1));
    const layout = stringAttr(node.attrs, 'kLayout').toLowerCase();
    return single(this.flow.axesOf(node.inputs[1]!)?.[layout.indexOf('t')]);
  }

  private maskOf(placed: readonly PlacedLinear[]): TokenMask | null {
    const axes = this.axesOf(placed[0]!.site);
    const mask = axes === null ? null : this.maskOfTokens(axes.tokens, axes.samples, new Set());
    if (mask === null) return null;
    if (maskRefs(mask).some((ref) => this.isBehind(ref, placed))) {
      throw new NoMask('what hides some of them is computed from them');
    }
    return mask;
  }

  /** Whether a tensor is computed from a site: as its mask it would wait for itself. */
  isBehind(ref: Ref, placed: readonly PlacedLinear[]): boolean {
    const behind = this.data.ancestors(ref);
    return placed.some(({ linear, site }) =>
      [linear.product, linear.name, site.source].some((name) => behind.has(nodeOf(name))),
    );
  }

  /** @throws NoMask where some attention hides, and another one does not. */
  private maskOfTokens(
    tokens: Atom,
    samples: readonly Axis[],
    met: ReadonlySet<number>,
  ): TokenMask | null {
    const { atoms, cuts } = this.flow;
    const root = atoms.root(tokens);
    if (met.has(root)) return null;
    const own = this.seen.filter(({ keys }) => atoms.same(keys, tokens));
    const place = (term: KeyTerm) => this.place(term, samples);
    const found: TokenMask[] = own.flatMap(({ terms }) =>
      terms === null ? [] : [{ kind: 'keys' as const, terms: terms.map(place) }],
    );
    const wholes = cuts.filter(
      ({ part, whole }) => atoms.same(part, tokens) && !atoms.same(whole, tokens),
    );
    let open = own.filter(({ terms }) => terms === null);
    for (const cut of wholes) {
      const whole = this.maskOfTokens(cut.whole, samples, new Set([...met, root]));
      if (whole !== null) found.push(partOf(whole, cut));
      else open = [...open, ...this.openOn(cut.whole, new Set([...met, root]))];
    }
    const different = [...new Map(found.map((mask) => [maskText(mask), mask])).values()];
    if (different.length === 0) {
      const unsure = open.find((one) => one.unsure !== null);
      if (unsure === undefined) return null;
      throw new NoMask(`of the softmax ${JSON.stringify(unsure.name)}, ${unsure.unsure}`);
    }
    if (open.length > 0) {
      const [{ name, unsure }] = open as [Seen];
      const why = unsure ?? 'sees all of them, though others do not';
      throw new NoMask(`the softmax ${JSON.stringify(name)}: ${why}`);
    }
    return different.length === 1 ? different[0]! : { kind: 'any', of: different };
  }

  private place(term: KeyTerm, samples: readonly Axis[]): PlacedTerm {
    const dims = this.analysis.view.dimsOf(term.ref);
    if (dims === null) throw new NoMask(`the shape of ${JSON.stringify(term.ref)} is not known`);
    return placedTerm(this.flow.atoms, { ...term, ref: this.same.of(term.ref) }, dims, samples);
  }

  /** The attentions that see all of an axis that this one is a part of. */
  private openOn(tokens: Atom, met: ReadonlySet<number>): Seen[] {
    const { atoms, cuts } = this.flow;
    const root = atoms.root(tokens);
    if (met.has(root)) return [];
    const own = this.seen.filter(({ keys, terms }) => terms === null && atoms.same(keys, tokens));
    const wholes = cuts.filter(({ part }) => atoms.same(part, tokens));
    return [...own, ...wholes.flatMap(({ whole }) => this.openOn(whole, new Set([...met, root])))];
  }
}

function partOf(of: TokenMask, { part, before, behind }: Cut): TokenMask {
  const size = typeof part.size === 'number' ? part.size : null;
  const known = [before, size, behind].filter((length) => length !== null).length;
  if (known < 2) {
    throw new NoMask('where they stand among the tokens of an attention is not known before a run');
  }
  return { kind: 'part', of, before, behind, size };
}

function single(axis: Axis | undefined): Atom | null {
  return axis?.length === 1 ? axis[0]! : null;
}
