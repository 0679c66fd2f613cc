import { type Graph, type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { groupBy } from '../math/groups.js';
import type { PlacedLinear } from '../recognize/analysis.js';

/** Linears that share a transform. */
type Group = readonly { readonly placed: PlacedLinear }[];

/**
 * Groups of linears in the order in which each can be calibrated on what those before it give:
 * what reads no other's output, however far, stands together.
 * @param asked Tensors besides its site's that a group is measured with.
 */
export function levelsOf<G extends Group>(
  graph: Graph,
  groups: readonly G[],
  asked: (group: G) => readonly Ref[] = () => [],
): G[][] {
  const products = new Set(groups.flat().map(({ placed }) => placed.linear.product));
  const depths = depthsOf(graph, products);
  const levels = groupBy(groups, (group) => {
    const refs = [group[0]!.placed.site.source, ...asked(group)];
    return Math.max(...refs.map((ref) => depths(nodeOf(ref))));
  });
  return [...levels].sort(([a], [b]) => a - b).map(([, together]) => together);
}

/** How many of the products stand at most on the way from the model's inputs through a node. */
function depthsOf({ nodes }: Graph, products: ReadonlySet<string>): (name: string) => number {
  const known = new Map<string, number>();
  const before = ({ inputs, controls }: GraphNode) => [...inputs.map(nodeOf), ...controls];
  return (wanted) => {
    // a stack of its own: a graph may be deeper than calls can be
    const open = [wanted];
    for (let name = open.at(-1); name !== undefined; name = open.at(-1)) {
      const node = nodes.get(name);
      const from = node === undefined ? [] : before(node).filter((one) => nodes.has(one));
      const missing = known.has(name) ? [] : from.filter((one) => !known.has(one));
      if (missing.length > 0) {
        open.push(...missing);
        continue;
      }
      open.pop();
      if (known.has(name)) continue;
      const deepest = from.reduce((most, one) => Math.max(most, known.get(one)!), 0);
      known.set(name, deepest + (products.has(name) ? 1 : 0));
    }
    return known.get(wanted) ?? 0;
  };
}
