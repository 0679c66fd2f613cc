import { attr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, Ref } from '../graph/ir.js';
import { HIDDEN_BELOW } from './hiding.js';
import { maskRank, maskText, type PartMask, type PlacedTerm, type TokenMask } from './tokenMask.js';

/**
 * The graph with the nodes of masks, and where each is: float32 [samples..., tokens], or what
 * broadcasts to that, 1 for a token that counts. New weights are the builder's.
 */
export function withMasks(
  graph: Graph,
  builder: GraphBuilder,
  masks: ReadonlyMap<string, TokenMask>,
): { graph: Graph; refs: ReadonlyMap<string, Ref> } {
  const emitter = new MaskEmitter(builder);
  const refs = new Map([...masks].map(([key, mask]) => [key, emitter.emit(mask)]));
  const nodes = new Map(graph.nodes);
  const weights = new Map(graph.weights);
  for (const node of builder.take()) {
    nodes.set(node.name, node);
    const weight = builder.weights.get(node.name);
    if (weight !== undefined) weights.set(node.name, weight);
  }
  return { graph: refs.size === 0 ? graph : { ...graph, nodes, weights }, refs };
}

/** Puts masks into a graph, each once: float32, 1 for a token that counts. */
export class MaskEmitter {
  private readonly made = new Map<string, Ref>();

  constructor(private readonly builder: GraphBuilder) {}

  emit(mask: TokenMask): Ref {
    return this.once(`float ${maskText(mask)}`, () => this.cast('counts', this.shown(mask)));
  }

  /** bool */
  private shown(mask: TokenMask): Ref {
    return this.once(maskText(mask), () => {
      switch (mask.kind) {
        case 'keys':
          return this.joined(
            'LogicalAnd',
            mask.terms.map((term) => this.term(term)),
          );
        case 'any':
          return this.joined(
            'LogicalOr',
            mask.of.map((one) => this.shown(one)),
          );
        case 'part':
          return this.part(mask);
        case 'named':
          return this.compared('NotEqual', this.cast('given', mask.ref), 0);
        default:
          return mask satisfies never;
      }
    });
  }

  private term({ ref, negated, above, apart, reduced, inserted }: PlacedTerm): Ref {
    const b = this.builder;
    const numbers = above === HIDDEN_BELOW ? ref : this.cast('condition', ref);
    const shape = () => b.integers(`${NAME}/apart`, apart!);
    const whole = apart === null ? numbers : b.node('Reshape', NAME, [numbers, shape()]);
    const signed = negated ? b.node('Neg', NAME, [whole]) : whole;
    const axes = () => b.integers(`${NAME}/axes`, reduced);
    const keep = { keep_dims: attr.bool(false), Tidx: attr.type('int32') };
    const most = reduced.length === 0 ? signed : b.node('Max', NAME, [signed, axes()], keep);
    const shown = this.compared('Greater', most, above);
    return inserted.reduce(
      (from, axis) =>
        b.node('ExpandDims', NAME, [from, b.integers(`${NAME}/axis`, [axis], true)], BOOL),
      shown,
    );
  }

  /** Of the last axis. */
  private part(mask: PartMask): Ref {
    const { of, before, behind, size } = mask;
    const b = this.builder;
    const last = maskRank(of) - 1;
    const fromFront = before !== null && size !== null;
    const begin = before ?? -(behind! + size!);
    const end = fromFront ? before + size : -behind!;
    const leading = new Array<number>(last).fill(0);
    const vectors = [begin, end].map((at) => b.integers(`${NAME}/part`, [...leading, at]));
    const ones = b.integers(`${NAME}/stride`, [...leading.map(() => 1), 1]);
    const whole = (1 << last) - 1;
    const toTheEnd = !fromFront && behind === 0 ? 1 << last : 0;
    return b.node('StridedSlice', NAME, [this.shown(of), ...vectors, ones], {
      ...BOOL,
      begin_mask: attr.int(whole),
      end_mask: attr.int(whole | toTheEnd),
      ellipsis_mask: attr.int(0),
      new_axis_mask: attr.int(0),
      shrink_axis_mask: attr.int(0),
    });
  }

  private joined(op: string, parts: readonly Ref[]): Ref {
    return parts.reduce((all, part) => this.builder.node(op, NAME, [all, part], BOOL));
  }

  private compared(op: string, a: Ref, b: number): Ref {
    const bound = this.builder.constant(`${NAME}/bound`, [], Float32Array.of(b));
    return this.builder.node(op, NAME, [a, bound]);
  }

  private cast(what: string, ref: Ref): Ref {
    const attrs = { DstT: attr.type('float32'), SrcT: attr.type('float32') };
    return this.builder.node('Cast', `${NAME}/${what}`, [ref], attrs);
  }

  private once(key: string, make: () => Ref): Ref {
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const ref = make();
    this.made.set(key, ref);
    return ref;
  }
}

const NAME = 'hadanorm/tokenMask';
const BOOL = { T: attr.type('bool') } as const;
