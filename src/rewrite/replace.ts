import type { GraphBuilder } from '../graph/builder.js';
import { withoutDead } from '../graph/deadNodes.js';
import { type Graph, type GraphNode, makeNode } from '../graph/ir.js';
import type { Weight } from '../graph/weights.js';
import type { ActivationBehind } from '../recognize/activations.js';
import type { Linear } from '../recognize/linears.js';
import type { LinearReport } from '../report/report.js';
import { FORMAT_VERSION } from '../save/format.js';

/**
 * Puts new nodes in the place of linears and removes what nothing reads any more:
 *
 *   product (→ bias addition)            ⇒  [transform →] QuantizedMatMul (→ …)
 *   … (→ reshape) → Mul, Erf, …          ⇒  … QuantizedMatMul (→ …)
 *
 * The last one has the old name; in the second case, where the product applies the activation
 * behind it, that of the activation.
 */
export function replaceNodes(
  graph: Graph,
  builder: GraphBuilder,
  changes: readonly Change[],
): Graph {
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
  const weights = new Map<string, Weight>([...graph.weights, ...builder.weights]);
  const kept = withoutDead({ ...graph, nodes, weights }, graph);
  return { ...kept, artifacts: { ...graph.artifacts, userDefinedMetadata: metadataOf(graph) } };
}

/** What a linear waited for, the last of the nodes in its place waits for too. */
function waiting(nodes: readonly GraphNode[], controls: readonly string[]): readonly GraphNode[] {
  const last = nodes.at(-1);
  if (last === undefined || controls.length === 0) return nodes;
  const { op, name, inputs, attrs } = last;
  return [...nodes.slice(0, -1), makeNode(op, name, inputs, attrs, [...new Set(controls)])];
}

function metadataOf({ artifacts }: Graph): Record<string, object> {
  return { ...artifacts.userDefinedMetadata, hadanorm: { version: FORMAT_VERSION } };
}

/**
 * What takes the place of one linear. It holds no weights: those are in the builder's tensors,
 * packed.
 */
export interface Change {
  readonly linear: Linear;
  /** The activation that goes with it. */
  readonly behind: ActivationBehind | null;
  /** New nodes, the last of them with the linear's name, or the activation's. */
  readonly nodes: ReturnType<GraphBuilder['take']>;
  readonly report: LinearReport;
}
