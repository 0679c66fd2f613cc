import type { GraphModel } from '@tensorflow/tfjs-converter';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/ir.js';
import { modelFromGraph } from '../graph/model.js';
import { applyPasses, type Pass } from '../recognize/normalize/engine.js';
import { normalizeNodes } from '../recognize/normalize/normalize.js';
import { biasPass } from './biases.js';
import { einsumPass } from './einsum.js';
import { productPass } from './products.js';

/** Products as every backend runs them, and rightly. */
export const LOWERING: readonly Pass[] = [productPass, einsumPass, biasPass];

/**
 * The graph without what a backend of tfjs lacks or gets wrong: no Einsum, no bias added wrongly.
 * Every tensor that had a name has it still. New weights are the builder's.
 */
export function runnableNodes(op: string, graph: Graph, builder: GraphBuilder): Graph {
  return applyPasses(op, graph, builder, LOWERING);
}

/** A model in normal form, as every backend runs it rightly. */
export interface Runnable {
  readonly model: GraphModel;
  /** As it runs, with the names that the model's graph has. */
  readonly graph: Graph;
  /** Whether it was made here; else it is the caller's own, in that form already. */
  readonly isOwn: boolean;
}

/**
 * The caller's model where it is such already; else one that shares its weights.
 * @param more Adds nodes to the normal form.
 */
export function runnableModel(
  op: string,
  model: GraphModel,
  from: Graph,
  more: (normal: Graph, builder: GraphBuilder) => Graph = (normal) => normal,
): Runnable {
  const builder = new GraphBuilder(from);
  try {
    const normal = normalizeNodes(op, from, builder);
    const graph = runnableNodes(op, more(normal, builder), builder);
    if (graph === from) return { model, graph, isOwn: false };
    const own = modelFromGraph(graph, model, builder.tensors);
    return { model: own, graph, isOwn: true };
  } catch (error) {
    builder.dispose();
    throw error;
  }
}
