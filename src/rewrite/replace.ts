import { type Graph, type GraphNode, makeNode, type NodeDef, nodeOf } from '../graph/ir.js';
import type { Weight } from '../graph/weights.js';
import { FORMAT_VERSION } from '../save/format.js';
import type { Emitter } from './emitter.js';
import type { Change } from './rewriteGraph.js';

/**
 * Puts new nodes in the place of linears and removes what nothing reads any more.
 * product (→ bias addition) → [transform →] QuantizedMatMul (→ …), the last one under the old name; with the activation
 * behind it, where the product applies that: … (→ reshape) → Mul, Erf, … → … QuantizedMatMul (→ …) under that one's name.
 */
export function replaceNodes(graph: Graph, emitter: Emitter, changes: readonly Change[]): Graph {
  const gone = new Set<string>();
  const places = new Map<string, readonly GraphNode[]>();
  for (const { linear, behind, nodes } of changes) {
    const { name, product } = linear;
    const also = [...(behind?.path ?? []), ...(behind?.nodes ?? [])];
    const old = new Set([product, name, ...also.map((node) => node.name)]);
    const controls = [...old].flatMap((each) => graph.nodes.get(each)!.controls);
    for (const each of old) gone.add(each);
    places.set(name, waiting(nodes, controls));
  }
  const nodes = new Map<string, GraphNode>();
  for (const node of graph.nodes.values()) {
    for (const made of places.get(node.name) ?? []) nodes.set(made.name, made);
    if (!gone.has(node.name)) nodes.set(node.name, node);
  }
  const weights = new Map<string, Weight>([...graph.weights, ...emitter.weights]);
  const kept = withoutDead({ ...graph, nodes, weights }, readersIn(graph));
  return { ...kept, rest: { ...graph.rest, userDefinedMetadata: metadataOf(graph) } };
}

/** What a linear waited for, the last of the nodes in its place waits for too. */
function waiting(nodes: readonly GraphNode[], controls: readonly string[]): readonly GraphNode[] {
  const last = nodes.at(-1);
  if (last === undefined || controls.length === 0) return nodes;
  const { op, name, inputs, attrs } = last;
  return [...nodes.slice(0, -1), makeNode(op, name, inputs, attrs, [...new Set(controls)])];
}

function metadataOf({ rest }: Graph): Record<string, object> {
  return { ...rest.userDefinedMetadata, hadanorm: { version: FORMAT_VERSION } };
}

/** How many read each node of the original graph: what had no reader there is not dead but unused, and stays. */
function readersIn(graph: Graph): ReadonlySet<string> {
  return new Set([...graph.nodes.values()].flatMap((node) => refsOf(node)));
}

function refsOf({ inputs, controls }: GraphNode): string[] {
  return [...inputs.map(nodeOf), ...controls];
}

/** Removes the nodes that lost their last reader, again and again, and the weights that no node is left for. */
function withoutDead(graph: Graph, readBefore: ReadonlySet<string>): Graph {
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

/** Weights are found by name also from the initializer and from the bodies of functions. */
function namesElsewhere({ rest }: Graph): ReadonlySet<string> {
  const initializer = rest.modelInitializer as { node?: readonly NodeDef[] } | undefined;
  const topology = rest.modelTopology as
    | { library?: { function?: readonly { nodeDef?: readonly NodeDef[] }[] } }
    | undefined;
  const bodies = (topology?.library?.function ?? []).flatMap(({ nodeDef }) => nodeDef ?? []);
  return new Set([...(initializer?.node ?? []), ...bodies].map(({ name }) => name));
}
