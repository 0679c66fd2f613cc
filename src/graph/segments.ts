import {
  canonical,
  type Graph,
  type GraphNode,
  makeNode,
  nodeFrom,
  nodeOf,
  type Ref,
} from './ir.js';
import type { Weight } from './weights.js';

/** A part of a graph that runs by itself: what it reads of parts before it are its inputs. */
export interface Segment {
  readonly graph: Graph;
  /** Tensors that parts before it give, and the placeholders that stand for them. */
  readonly given: ReadonlyMap<Ref, string>;
  /** Tensors that parts behind it read, or that the whole graph gives; by `given`'s names. */
  readonly gives: readonly Ref[];
}

/**
 * Cuts a graph into parts that run one after the other and together are the whole. A part reads
 * weights of `most` bytes or so, or what one node needs; it ends where the fewest tensors go on.
 * Weights that several parts read are in each of them.
 */
export function segmentsOf(
  graph: Graph,
  bytesOf: (weight: string) => number,
  most: number,
): Segment[] {
  const order = inOrder(graph).filter(({ op }) => op !== 'Const' && op !== 'Placeholder');
  const place = new Map(order.map(({ name }, i) => [name, i]));
  const last = lastReads(graph, order, place);
  const segments: Segment[] = [];
  for (let start = 0; start < order.length; ) {
    const end = endOf(graph, order, start, last, bytesOf, most);
    segments.push(segmentOf(graph, order.slice(start, end), place, last, end));
    start = end;
  }
  return segments;
}

/** Nodes behind all that they read, as the file has them otherwise. */
function inOrder({ nodes }: Graph): GraphNode[] {
  const order: GraphNode[] = [];
  const seen = new Set<string>();
  for (const first of nodes.values()) {
    const open = [first];
    while (open.length > 0) {
      const node = open.at(-1)!;
      const before = [...node.inputs.map(nodeOf), ...node.controls]
        .filter((name) => !seen.has(name))
        .map((name) => nodes.get(name)!);
      if (before.length > 0 && !seen.has(node.name)) {
        open.push(...before.reverse());
        continue;
      }
      open.pop();
      if (!seen.has(node.name)) order.push(node);
      seen.add(node.name);
    }
  }
  return order;
}

/** By tensor: the place of the last node that reads it; behind all where the graph gives it. */
function lastReads(
  { outputs }: Graph,
  order: readonly GraphNode[],
  place: ReadonlyMap<string, number>,
): Map<Ref, number> {
  const last = new Map<Ref, number>();
  for (const [i, { inputs }] of order.entries()) {
    for (const ref of inputs) if (place.has(nodeOf(ref))) last.set(canonical(ref), i);
  }
  for (const ref of outputs) if (place.has(nodeOf(ref))) last.set(canonical(ref), order.length);
  return last;
}

/** Where the part from `start` on ends: past half of `most`, where the fewest tensors go on. */
function endOf(
  { weights }: Graph,
  order: readonly GraphNode[],
  start: number,
  last: ReadonlyMap<Ref, number>,
  bytesOf: (weight: string) => number,
  most: number,
): number {
  const read = new Set<string>();
  const open = [...last].filter(([, at]) => at >= start);
  const made = new Set(order.slice(0, start).map(({ name }) => name));
  let [bytes, best, fewest] = [0, start + 1, Number.POSITIVE_INFINITY];
  for (let at = start; at < order.length; at++) {
    const node = order[at]!;
    for (const name of node.inputs.map(nodeOf)) {
      if (!weights.has(name) || read.has(name)) continue;
      read.add(name);
      bytes += bytesOf(name);
    }
    if (bytes > most && at > start) return best;
    made.add(node.name);
    const live = open.filter(([ref, until]) => until > at && made.has(nodeOf(ref))).length;
    // before half of it any end will do only where there is no other
    const wanted = 2 * bytes >= most;
    if (!wanted || live <= fewest) [best, fewest] = [at + 1, wanted ? live : fewest];
  }
  return order.length;
}

function segmentOf(
  graph: Graph,
  own: readonly GraphNode[],
  place: ReadonlyMap<string, number>,
  last: ReadonlyMap<Ref, number>,
  end: number,
): Segment {
  const names = new Set(own.map(({ name }) => name));
  const given = new Map<Ref, string>();
  const nodes = new Map<string, GraphNode>();
  const weights = new Map<string, Weight>();
  const bring = (ref: Ref): Ref => {
    const from = nodeOf(ref);
    if (names.has(from)) return ref;
    const node = graph.nodes.get(from)!;
    if (!place.has(from)) {
      nodes.set(from, node);
      const weight = graph.weights.get(from);
      if (weight !== undefined) weights.set(from, weight);
      return ref;
    }
    const name = `given/${canonical(ref).replace(':', '/output')}`;
    given.set(canonical(ref), name);
    nodes.set(name, makeNode('Placeholder', name, []));
    return name;
  };
  for (const node of own) {
    const input = node.inputs.map(bring);
    nodes.set(node.name, nodeFrom({ ...node.def, input }));
  }
  const gives = [...last].filter(([ref, until]) => names.has(nodeOf(ref)) && until >= end);
  const inputs = [...nodes.values()].filter(({ op }) => op === 'Placeholder');
  const { signature: _, ...artifacts } = graph.artifacts;
  const refs = gives.map(([ref]) => ref);
  const ends = { inputs: inputs.map(({ name }) => name), outputs: refs.map(nodeOf) };
  return { graph: { nodes, weights, artifacts, ...ends }, given, gives: refs };
}
