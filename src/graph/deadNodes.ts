import { type Graph, type GraphNode, type NodeDef, nodeOf } from './ir.js';
import type { Weight } from './weights.js';

/**
 * Removes the nodes that lost their last reader since `before`, again and again, and the weights
 * that no node is left for. What had no reader there is not dead but unused, and stays.
 */
export function withoutDead(graph: Graph, before: Graph): Graph {
  const readBefore = new Set([...before.nodes.values()].flatMap(refsOf));
  const counts = new Map<string, number>();
  for (const node of graph.nodes.values()) {
    for (const name of refsOf(node)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const nodes = new Map(graph.nodes);
  const keep = new Set([...graph.outputs, ...graph.inputs]);
  const isDead = (name: string) =>
    (counts.get(name) ?? 0) === 0 && readBefore.has(name) && !keep.has(name) && nodes.has(name);
  const open = [...nodes.keys()].filter(isDead);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = nodes.get(name);
    if (node === undefined) continue;
    nodes.delete(name);
    for (const input of refsOf(node)) {
      counts.set(input, counts.get(input)! - 1);
      if (isDead(input)) open.push(input);
    }
  }
  const elsewhere = namesElsewhere(graph);
  const needed = ([name]: [string, Weight]) =>
    nodes.has(name) || elsewhere.has(name) || !graph.nodes.has(name);
  return { ...graph, nodes, weights: new Map([...graph.weights].filter(needed)) };
}

function refsOf({ inputs, controls }: GraphNode): string[] {
  return [...inputs.map(nodeOf), ...controls];
}

/** Weights are found by name also from the initializer and from the bodies of functions. */
function namesElsewhere({ artifacts }: Graph): ReadonlySet<string> {
  const initializer = artifacts.modelInitializer as { node?: readonly NodeDef[] } | undefined;
  const topology = artifacts.modelTopology as
    | { library?: { function?: readonly { nodeDef?: readonly NodeDef[] }[] } }
    | undefined;
  const bodies = (topology?.library?.function ?? []).flatMap(({ nodeDef }) => nodeDef ?? []);
  return new Set([...(initializer?.node ?? []), ...bodies].map(({ name }) => name));
}
