import type { GraphBuilder } from '../graph/builder.js';
import { withoutDead } from '../graph/deadNodes.js';
import { type Graph, type GraphNode, makeNode } from '../graph/ir.js';
import type { Weight } from '../graph/weights.js';
import { ShapedView } from '../shapes/view.js';

/** Ops that make shapes of shapes. A Reshape that reads one is where it is used. */
const SHAPE_ARITHMETIC = new Set(
  'StridedSlice Slice Gather GatherV2 Pack Unpack ConcatV2 Prod Mul Cast ExpandDims Squeeze'.split(
    ' ',
  ),
);

/** Nodes in the place of one that others read. */
export interface Replacement {
  /** The node whose name the last of the new nodes has. */
  readonly at: string;
  /**
   * Other nodes that are not needed any more, unless somebody reads them: what they waited for, the
   * last one waits for.
   */
  readonly inside: readonly string[];
  readonly nodes: readonly GraphNode[];
}

/** A rewrite of the graph: what it looks for, and what it puts there. */
export interface Pass {
  readonly name: string;
  readonly find: (context: FuseContext) => Replacement[];
}

/** What passes ask of a graph. */
export class FuseContext extends ShapedView {
  constructor(
    graph: Graph,
    readonly builder: GraphBuilder,
  ) {
    super(graph);
  }

  /**
   * Whether the shapes of nodes are asked for by these and `at` alone: else they would not go when
   * `at` is replaced.
   */
  shapesStay(names: readonly string[], at: string): boolean {
    const inside = new Set([...names, at]);
    const seen = new Set<string>();
    const open = names.flatMap((name) => this.readers(name).filter(({ op }) => op === 'Shape'));
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (seen.has(node.name)) continue;
      seen.add(node.name);
      if (this.mustStay(node.name)) return false;
      const outside = this.readers(node.name).filter(({ name }) => !inside.has(name));
      if (outside.some(({ op }) => !SHAPE_ARITHMETIC.has(op))) return false;
      open.push(...outside);
    }
    return true;
  }
}

/** The graph after a pass; the same graph where it found nothing. */
export function applyPass(graph: Graph, builder: GraphBuilder, pass: Pass): Graph {
  const found = pass.find(new FuseContext(graph, builder));
  if (found.length === 0) return graph;
  const places = new Map(found.map((each) => [each.at, placed(graph, each)]));
  const nodes = new Map<string, GraphNode>();
  for (const node of graph.nodes.values()) {
    for (const made of places.get(node.name) ?? [node]) nodes.set(made.name, made);
  }
  const weights = new Map<string, Weight>([...graph.weights, ...builder.weights]);
  return withoutDead({ ...graph, nodes, weights }, graph);
}

/** The new nodes, of which the last waits for what the old ones waited for. */
function placed(graph: Graph, { at, inside, nodes }: Replacement): readonly GraphNode[] {
  const controls = [at, ...inside].flatMap((name) => graph.nodes.get(name)?.controls ?? []);
  const last = nodes.at(-1);
  if (last === undefined || controls.length === 0) return nodes;
  const { op, name, inputs, attrs } = last;
  return [...nodes.slice(0, -1), makeNode(op, name, inputs, attrs, [...new Set(controls)])];
}
