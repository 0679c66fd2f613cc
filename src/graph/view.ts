import {
  type ConstantView,
  constantIntegers,
  constantPermutation,
  constantView,
} from './constants.js';
import { type Graph, type GraphNode, nodeOf, outputIndexOf, type Ref } from './ir.js';

/** A graph with what is asked of it again and again: who makes a value, who reads it. */
export class GraphView {
  private readonly consumers: ReadonlyMap<string, readonly GraphNode[]>;
  private readonly needed: ReadonlySet<string>;

  constructor(readonly graph: Graph) {
    this.consumers = consumersOf(graph);
    const awaited = [...graph.nodes.values()].flatMap(({ controls }) => controls);
    this.needed = new Set([...graph.outputs, ...awaited]);
  }

  /** The node that makes a tensor, whichever of its outputs that is. */
  producer(ref: Ref | undefined): GraphNode | null {
    return this.graph.nodes.get(nodeOf(ref ?? '')) ?? null;
  }

  /** The node whose first output a tensor is. */
  node(ref: Ref | undefined): GraphNode | null {
    return ref === undefined || outputIndexOf(ref) !== 0 ? null : this.producer(ref);
  }

  /** The nodes of some ops, in file order. */
  nodes(...ops: readonly string[]): GraphNode[] {
    return [...this.graph.nodes.values()].filter(({ op }) => ops.includes(op));
  }

  /** The nodes that have a data input from a node, once each, in file order. */
  readers(name: string): readonly GraphNode[] {
    return this.consumers.get(name) ?? [];
  }

  /** Whether a node must stay whoever reads it: the model's outputs, and what others wait for. */
  mustStay(name: string): boolean {
    return this.needed.has(name);
  }

  /** The one node that reads a value, once, where nothing else needs it. */
  onlyReader(name: string): GraphNode | null {
    return this.readers(name).some(asksShape) ? null : this.onlyValueReader(name);
  }

  /** The same, where others may ask for the value's shape. */
  onlyValueReader(name: string): GraphNode | null {
    const [reader, ...others] = this.readers(name).filter((node) => !asksShape(node));
    if (reader === undefined || others.length > 0 || this.mustStay(name)) return null;
    return reader.inputs.filter((ref) => nodeOf(ref) === name).length === 1 ? reader : null;
  }

  /** The constant behind a tensor, or null. */
  constant(ref: Ref | undefined): ConstantView | null {
    return ref === undefined ? null : constantView(this.graph, ref);
  }

  /** The integers of a constant tensor (a shape, a permutation, axes), or null. */
  integers(ref: Ref | undefined): number[] | null {
    return constantIntegers(this.graph, ref);
  }

  /** A constant order of `rank` axes, each once; null where it is none, or not known. */
  permutation(ref: Ref | undefined, rank: number): number[] | null {
    return constantPermutation(this.graph, ref, rank);
  }

  /** A float32 constant of one number, or null. */
  scalar(ref: Ref | undefined): number | null {
    const view = this.constant(ref);
    if (view === null || view.dtype !== 'float32') return null;
    return view.shape.every((dim) => dim === 1) ? view.read()[0]! : null;
  }
}

function consumersOf(graph: Graph): ReadonlyMap<string, readonly GraphNode[]> {
  const consumers = new Map<string, GraphNode[]>();
  for (const node of graph.nodes.values()) {
    for (const name of new Set(node.inputs.map(nodeOf))) {
      const list = consumers.get(name);
      if (list === undefined) consumers.set(name, [node]);
      else list.push(node);
    }
  }
  return consumers;
}

function asksShape({ op }: GraphNode): boolean {
  return op === 'Shape';
}
