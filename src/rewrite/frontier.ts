import { canonical, type Graph, nodeOf, outputIndexOf, type Ref } from '../graph/ir.js';

/** What a part of a run computes. */
export interface Part {
  /** Tensors that are there already, and are given to it. */
  readonly fed: readonly Ref[];
  /** Tensors that it is to give, without those. */
  readonly fetched: readonly Ref[];
  /** Of all of these, what is needed behind it. */
  readonly kept: readonly Ref[];
}

/**
 * How far a run of a graph is: which nodes were computed, and which tensors the others need of
 * them. The graph may change from part to part, in what was not computed yet.
 */
export class Frontier {
  private readonly computed: Set<string>;
  private kept: readonly Ref[] = [];

  /** @param inputs Nodes whose tensors are there all the time. */
  constructor(private readonly inputs: readonly string[]) {
    this.computed = new Set(inputs);
  }

  /**
   * @param wanted Tensors to be computed next.
   * @param later Tensors that will be wanted again.
   */
  advance(graph: Graph, wanted: readonly Ref[], later: readonly Ref[]): Part {
    const there = [...this.inputs, ...this.kept].filter((ref) => graph.nodes.has(nodeOf(ref)));
    const given = new Set(there);
    this.compute(graph, wanted, given);
    const needed = this.feedable(graph, later);
    const all = new Set([...wanted.map(canonical), ...needed]);
    const fetched = [...all].filter((ref) => !given.has(ref));
    this.kept = [...needed].filter((ref) => !this.inputs.includes(ref));
    return { fed: there, fetched, kept: this.kept };
  }

  private compute(graph: Graph, wanted: readonly Ref[], given: ReadonlySet<Ref>): void {
    const open = [...wanted];
    const seen = new Set<string>();
    for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
      const node = graph.nodes.get(nodeOf(ref));
      if (node === undefined || given.has(canonical(ref)) || seen.has(node.name)) continue;
      seen.add(node.name);
      this.computed.add(node.name);
      open.push(...node.inputs, ...node.controls);
    }
  }

  /**
   * What was computed and is read by what was not. Of a node with several outputs tfjs takes one
   * only: such a node, a split, is computed again with what reads it.
   */
  private feedable(graph: Graph, later: readonly Ref[]): Set<Ref> {
    for (;;) {
      const needed = this.boundary(graph, later);
      const apart = [...needed].filter((ref) => outputIndexOf(ref) > 0);
      if (apart.length === 0) return needed;
      for (const ref of apart) this.computed.delete(nodeOf(ref));
    }
  }

  /** What was computed and is read by what was not. */
  private boundary(graph: Graph, later: readonly Ref[]): Set<Ref> {
    const isConstant = constants(graph);
    const needed = new Set<Ref>();
    const add = (ref: Ref) => {
      const name = nodeOf(ref);
      if (this.computed.has(name) && !isConstant(name)) needed.add(canonical(ref));
    };
    for (const node of graph.nodes.values()) {
      if (!this.computed.has(node.name)) node.inputs.forEach(add);
    }
    later.forEach(add);
    return needed;
  }
}

/** Which nodes are the same in every run: constants, and what is made of them alone. */
function constants({ nodes }: Graph): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (wanted) => {
    const open = [wanted];
    for (let name = open.at(-1); name !== undefined; name = open.at(-1)) {
      const node = nodes.get(name);
      const from = node?.inputs.map(nodeOf) ?? [];
      const missing = known.has(name) ? [] : from.filter((one) => !known.has(one));
      if (missing.length > 0) {
        open.push(...missing);
        continue;
      }
      open.pop();
      const isConst = node?.op === 'Const';
      known.set(name, isConst || (from.length > 0 && from.every((one) => known.get(one)!)));
    }
    return known.get(wanted)!;
  };
}
