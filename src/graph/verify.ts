import { describe, HadaNormError } from '../../ops/numerics/errors.js';
import { type Graph, type GraphNode, nodeOf } from './ir.js';
import { lackingInputs } from './leastInputs.js';

/**
 * The only op through which a graph may loop: the back edge of a while loop (control flow version
 * 1).
 */
const BACK_EDGE = 'NextIteration';

/**
 * Checks what every pass must keep: names that match, inputs and outputs that exist, as many inputs
 * as ops read, no cycle but through a loop.
 * @throws HadaNormError that says which pass broke what.
 */
export function verifyGraph(graph: Graph, pass: string): void {
  const fail = (problem: string): never => {
    throw new HadaNormError(pass, `the graph is not valid: ${problem}.`);
  };
  for (const [name, node] of graph.nodes) {
    if (name !== node.name) fail(`node ${describe(node.name)} is filed under ${describe(name)}`);
    for (const ref of [...node.inputs, ...node.controls]) {
      if (!graph.nodes.has(nodeOf(ref))) {
        fail(`input ${describe(ref)} of node ${describe(name)} (${node.op}) does not exist`);
      }
    }
  }
  for (const name of graph.inputs) {
    if (!graph.nodes.has(name)) fail(`input ${describe(name)} of the model does not exist`);
  }
  for (const name of graph.outputs) {
    if (!graph.nodes.has(name)) fail(`output ${describe(name)} does not exist`);
  }
  for (const [name, { spec }] of graph.weights) {
    if (name !== spec.name) fail(`weight ${describe(spec.name)} is filed under ${describe(name)}`);
  }
  const stuck = findCycle(graph);
  if (stuck !== null) fail(`node ${describe(stuck)} waits for itself`);
  for (const [name, node] of graph.nodes) {
    const lack = lackingInputs(node);
    if (lack !== null) fail(`node ${describe(name)} (${node.op}) ${lack}`);
  }
}

/** The nodes in an order in which each comes after its inputs; back edges of loops do not count. */
export function topologicalOrder(graph: Graph): GraphNode[] {
  const order: GraphNode[] = [];
  walk(graph, (node) => order.push(node));
  return order;
}

function findCycle(graph: Graph): string | null {
  return walk(graph, () => {});
}

/**
 * Depth first without recursion: graphs are deeper than the call stack. Returns a node on a cycle,
 * if there is one.
 */
function walk(graph: Graph, leave: (node: GraphNode) => void): string | null {
  const state = new Map<string, 'open' | 'done'>();
  for (const root of graph.nodes.keys()) {
    const stack = [root];
    while (stack.length > 0) {
      const name = stack[stack.length - 1]!;
      const node = graph.nodes.get(name)!;
      const seen = state.get(name);
      if (seen !== undefined) {
        stack.pop();
        if (seen === 'open') {
          state.set(name, 'done');
          leave(node);
        }
        continue;
      }
      state.set(name, 'open');
      if (node.op === BACK_EDGE) continue;
      for (const ref of [...node.inputs, ...node.controls]) {
        const input = nodeOf(ref);
        if (state.get(input) === 'open') return input;
        if (!state.has(input)) stack.push(input);
      }
    }
  }
  return null;
}
