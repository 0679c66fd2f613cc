import {
  canonical,
  type Graph,
  type GraphNode,
  nodeOf,
  outputIndexOf,
  type Ref,
} from '../graph/ir.js';
import { topologicalOrder } from '../graph/verify.js';

/** Constants of more numbers are the same only where they are one weight. */
const MOST_COMPARED = 4096;

/**
 * One name for tensors that are computed alike: layers that each make the mask anew have one mask.
 * Only what is asked for is looked at: reading weights may wait for a GPU.
 */
export class SameValues {
  private readonly first = new Map<string, string>();
  private readonly alike = new Map<string, string>();
  private order: readonly GraphNode[] | null = null;

  constructor(private readonly graph: Graph) {}

  /** The first tensor that was asked for, or is behind such, with the same values as one. */
  of(ref: Ref): Ref {
    const behind = this.behind(nodeOf(ref));
    if (behind.size > 0) {
      this.order ??= topologicalOrder(this.graph);
      for (const node of this.order) if (behind.has(node.name)) this.name(node);
    }
    return this.known(ref);
  }

  private name(node: GraphNode): void {
    const key = this.keyOf(node);
    const known = this.first.get(key) ?? node.name;
    this.first.set(key, known);
    this.alike.set(node.name, known);
  }

  private known(ref: Ref): Ref {
    const name = this.alike.get(nodeOf(ref)) ?? nodeOf(ref);
    return canonical(`${name}:${outputIndexOf(ref)}`);
  }

  /** The nodes that one depends on, itself among them, without those that are known. */
  private behind(from: string): ReadonlySet<string> {
    const seen = new Set<string>();
    const open = [from];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (seen.has(name) || this.alike.has(name)) continue;
      seen.add(name);
      open.push(...(this.graph.nodes.get(name)?.inputs ?? []).map(nodeOf));
    }
    return seen;
  }

  private keyOf({ op, name, attrs, inputs }: GraphNode): string {
    if (op === 'Const') return this.constantKey(name);
    if (inputs.length === 0 || /^(Placeholder|Random|Multinomial|Truncated)/.test(op)) return name;
    return JSON.stringify([op, attrs, inputs.map((ref) => this.known(ref))]);
  }

  private constantKey(name: string): string {
    const weight = this.graph.weights.get(name);
    const size = weight?.spec.shape.reduce((all, dim) => all * dim, 1) ?? 0;
    if (weight === undefined || size > MOST_COMPARED) return name;
    const { dtype, shape } = weight.spec;
    return JSON.stringify(['Const', dtype, shape, Array.from(weight.values(), String)]);
  }
}
