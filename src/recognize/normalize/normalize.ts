import { GraphBuilder } from '../../graph/builder.js';
import type { Graph } from '../../graph/ir.js';
import { ellipsisPass } from './ellipsis.js';
import { applyPasses, type Pass } from './engine.js';
import { softmaxPass } from './softmax.js';
import { turnedPass } from './turned.js';

/** In this order: an equation without an ellipsis may need its axes turned. */
const PASSES: readonly Pass[] = [softmaxPass, ellipsisPass, turnedPass];

/**
 * The graph in the one form that recognition knows: what is a softmax says so, and what is a
 * product with constant weights has its channels last. The same graph where it is in that form. It
 * computes the same up to float32 rounding, and whatever had a name has it still. New weights are
 * the builder's.
 *
 * This is the graph that is analyzed, calibrated and rewritten, on every backend alike: so
 * statistics of one serve another.
 */
export function normalizeNodes(op: string, graph: Graph, builder: GraphBuilder): Graph {
  return applyPasses(op, graph, builder, PASSES);
}

/** Looks at the graph in that form, and gives its new weights up again. */
export function inNormalForm<T>(op: string, graph: Graph, look: (normal: Graph) => T): T {
  const builder = new GraphBuilder(graph);
  try {
    return look(normalizeNodes(op, graph, builder));
  } finally {
    builder.dispose();
  }
}
