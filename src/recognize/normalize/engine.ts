import type { GraphBuilder } from '../../graph/builder.js';
import { withoutDead } from '../../graph/deadNodes.js';
import { type Graph, type GraphNode, makeNode } from '../../graph/ir.js';
import { verifyGraph } from '../../graph/verify.js';
import type { Weight } from '../../graph/weights.js';
import { ShapedView } from '../../shapes/view.js';

/** A place where a pass fits. What else it saw there is for its `replace` alone. */
export interface Match {
  /** The node in whose place in the file the new ones stand. */
  readonly at: string;
  /**
   * The nodes whose work the new ones do, `at` among them. What they waited for, the last new one
   * waits for; they go, unless somebody else reads them.
   */
  readonly replaced: readonly string[];
}

/** A rewrite of a graph: what it looks for, and what it puts there. */
export interface Pass<M extends Match = Match> {
  readonly name: string;
  /** The places where it fits, one after the other: the next is looked for when one is done. */
  match(view: ShapedView): Iterable<M>;
  /**
   * Adds what takes the place of a match. A new node with the name of an old one is read where that
   * was: the last one at least, which has the name of the node whose value it gives.
   */
  replace(builder: GraphBuilder, match: M): void;
}

/** By the node in whose place they stand: the nodes that took it. */
export type Places = Map<string, readonly GraphNode[]>;

/**
 * Applies a pass and says after each match that it is in its place. Returns the graph after it,
 * verified; the same graph where the pass fits nowhere. Matches are not kept.
 * @param places Gets what is in its place: `withPlaces` gives the graph as it is so far.
 */
export function* passSteps<M extends Match>(
  op: string,
  view: ShapedView,
  builder: GraphBuilder,
  pass: Pass<M>,
  places: Places = new Map(),
): Generator<M, Graph> {
  const { graph } = view;
  for (const match of pass.match(view)) {
    pass.replace(builder, match);
    places.set(match.at, waiting(graph, match, builder.take()));
    yield match;
  }
  if (places.size === 0) return graph;
  const after = withPlaces(graph, builder, places);
  verifyGraph(after, `${op} (${pass.name})`);
  return after;
}

/** The graph after all passes, in their order: what is left of the first ones is for the others. */
export function applyPasses(
  op: string,
  graph: Graph,
  builder: GraphBuilder,
  passes: readonly Pass[],
): Graph {
  let view = new ShapedView(graph);
  for (const pass of passes) {
    const after = finished(passSteps(op, view, builder, pass));
    if (after !== view.graph) view = new ShapedView(after);
  }
  return view.graph;
}

function finished<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value as T;
  }
}

/** The new nodes, of which the last waits for what the old ones waited for. */
function waiting(
  graph: Graph,
  { replaced }: Match,
  nodes: readonly GraphNode[],
): readonly GraphNode[] {
  const controls = replaced.flatMap((name) => graph.nodes.get(name)?.controls ?? []);
  const last = nodes.at(-1);
  if (last === undefined || controls.length === 0) return nodes;
  const { op, name, inputs, attrs } = last;
  return [...nodes.slice(0, -1), makeNode(op, name, inputs, attrs, [...new Set(controls)])];
}

/** The new nodes in their places, and the weights among them behind the old ones. */
export function withPlaces(
  graph: Graph,
  builder: GraphBuilder,
  places: ReadonlyMap<string, readonly GraphNode[]>,
): Graph {
  const made = new Set([...places.values()].flatMap((each) => each.map(({ name }) => name)));
  const nodes = new Map<string, GraphNode>();
  for (const node of graph.nodes.values()) {
    for (const each of places.get(node.name) ?? []) nodes.set(each.name, each);
    if (!places.has(node.name) && !made.has(node.name)) nodes.set(node.name, node);
  }
  const weights = new Map<string, Weight>(graph.weights);
  // in the nodes' order: matches may have been found in any
  for (const name of nodes.keys()) {
    const weight = made.has(name) ? builder.weights.get(name) : undefined;
    if (weight !== undefined) weights.set(name, weight);
  }
  return withoutDead({ ...graph, nodes, weights }, graph);
}
