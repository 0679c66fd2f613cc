import type { GraphBuilder } from '../graph/builder.js';
import { type ConstantView, constantView } from '../graph/constants.js';
import { withoutDead } from '../graph/deadNodes.js';
import {
  consumersOf,
  type Graph,
  type GraphNode,
  makeNode,
  nodeOf,
  outputIndexOf,
  type Ref,
} from '../graph/ir.js';
import type { Weight } from '../graph/weights.js';
import { type DimsOf, dimsInference } from '../shapes/dims.js';
import { type ShapeOf, shapeInference } from '../shapes/shapes.js';

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
export class FuseContext {
  readonly shapeOf: ShapeOf;
  readonly dimsOf: DimsOf;
  private readonly consumers: ReadonlyMap<string, readonly GraphNode[]>;
  /** Nodes that must stay: outputs, and what others wait for. */
  private readonly needed: ReadonlySet<string>;

  constructor(
    readonly graph: Graph,
    readonly builder: GraphBuilder,
  ) {
    this.shapeOf = shapeInference(graph);
    this.dimsOf = dimsInference(graph, this.shapeOf);
    this.consumers = consumersOf(graph);
    const awaited = [...graph.nodes.values()].flatMap(({ controls }) => controls);
    this.needed = new Set([...graph.outputs, ...awaited]);
  }

  /** The node of which a tensor is the first output. */
  node(ref: Ref | undefined): GraphNode | null {
    if (ref === undefined || outputIndexOf(ref) !== 0) return null;
    return this.graph.nodes.get(nodeOf(ref)) ?? null;
  }

  readers(name: string): readonly GraphNode[] {
    return this.consumers.get(name) ?? [];
  }

  /** The one node that reads a value, once, where nothing else needs it. */
  onlyReader(name: string): GraphNode | null {
    return this.readers(name).some(({ op }) => op === 'Shape') ? null : this.onlyValueReader(name);
  }

  /** The same, where others may ask for the value's shape: see `shapesStay`. */
  onlyValueReader(name: string): GraphNode | null {
    const [reader, ...others] = this.readers(name).filter(({ op }) => op !== 'Shape');
    if (reader === undefined || others.length > 0 || this.needed.has(name)) return null;
    return reader.inputs.filter((ref) => nodeOf(ref) === name).length === 1 ? reader : null;
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
      if (this.needed.has(node.name)) return false;
      const outside = this.readers(node.name).filter(({ name }) => !inside.has(name));
      if (outside.some(({ op }) => !SHAPE_ARITHMETIC.has(op))) return false;
      open.push(...outside);
    }
    return true;
  }

  constant(ref: Ref | undefined): ConstantView | null {
    return ref === undefined ? null : constantView(this.graph, ref);
  }

  /** A constant of one number, or null. */
  scalar(ref: Ref | undefined): number | null {
    const view = this.constant(ref);
    if (view === null || view.dtype !== 'float32') return null;
    return view.shape.every((dim) => dim === 1) ? view.read()[0]! : null;
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
