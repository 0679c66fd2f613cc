import { dataRefs } from '../graph/dataRefs.js';
import { canonical, type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { IDENTITY, SHAPING } from '../graph/opSets.js';
import type { GraphView } from '../graph/view.js';
import type { Linear, Linears } from './linears.js';

/** What a walk from a tensor met: linears, where it stopped, and the nodes it came through. */
export interface Walk {
  readonly linears: readonly Linear[];
  readonly nodes: readonly GraphNode[];
  /** The ops of these nodes, and the activations inside linears. */
  readonly ops: ReadonlySet<string>;
  /** Whether it met a node that it may not pass. */
  readonly blocked: boolean;
}

/**
 * Data flow between the linears of a graph: values only, no shapes, axes or indices that are
 * computed from them.
 */
export class DataFlow {
  constructor(
    readonly view: GraphView,
    readonly linears: Linears,
  ) {}

  /** The nodes into which a node's values flow. */
  readers(name: string): readonly GraphNode[] {
    const all = this.view.readers(name);
    return all.filter((node) => dataRefs(node).some((ref) => nodeOf(ref) === name));
  }

  isConstant(ref: Ref): boolean {
    return this.view.constant(ref) !== null;
  }

  /**
   * Backwards from a tensor to the nearest linears, through the nodes that `passes` allows.
   * Constants end a path.
   */
  back(from: Ref, passes: (node: GraphNode) => boolean): Walk {
    const found = new Set<Linear>();
    const nodes: GraphNode[] = [];
    const ops = new Set<string>();
    const seen = new Set<string>();
    const open = [nodeOf(from)];
    let blocked = false;
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const node = this.view.producer(name);
      if (node === null || this.isConstant(name)) continue;
      const linear = this.linears.byNode.get(name);
      if (linear !== undefined) {
        found.add(linear);
        if (linear.activation !== null) ops.add(linear.activation.op);
      } else if (passes(node)) {
        nodes.push(node);
        ops.add(node.op);
        open.push(...dataRefs(node).map(nodeOf));
      } else {
        blocked = true;
      }
    }
    return { linears: [...found], nodes, ops, blocked };
  }

  /**
   * Forwards from a node to the first nodes that `wanted` takes, through those that `passes`
   * allows.
   */
  forward(
    from: string,
    passes: (node: GraphNode) => boolean,
    wanted: (node: GraphNode, via: string) => boolean,
  ): GraphNode[] {
    const found = new Set<GraphNode>();
    const seen = new Set<string>([from]);
    const open = [from];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      for (const reader of this.readers(name)) {
        if (wanted(reader, name)) found.add(reader);
        else if (!seen.has(reader.name) && passes(reader)) {
          seen.add(reader.name);
          open.push(reader.name);
        }
      }
    }
    return [...found];
  }

  /** Everything that a tensor depends on. */
  ancestors(from: Ref): ReadonlySet<string> {
    const seen = new Set<string>();
    const open = [nodeOf(from)];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const node = this.view.producer(name);
      if (node !== null) open.push(...dataRefs(node).map(nodeOf));
    }
    return seen;
  }

  /**
   * The tensor behind identities and reshapes: what two linears have in common when they read the
   * same values.
   */
  root(ref: Ref): Ref {
    const node = this.view.producer(ref);
    if (node === null || node.inputs[0] === undefined) return canonical(ref);
    if (!IDENTITY.has(node.op) && !SHAPING.has(node.op)) return canonical(ref);
    return this.root(node.inputs[0]);
  }
}
