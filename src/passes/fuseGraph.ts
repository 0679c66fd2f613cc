import type { GraphModel } from '@tensorflow/tfjs-converter';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/ir.js';
import { graphOfModel, modelFromGraph, weightsOnHost } from '../graph/model.js';
import { verifyGraph } from '../graph/verify.js';
import { planned } from '../plan/planned.js';
import { applyPasses, type Pass } from '../recognize/normalize/engine.js';
import { normalizeNodes } from '../recognize/normalize/normalize.js';
import { attentionPass } from './attention.js';
import { normPass } from './norms.js';
import { LOWERING } from './runnable.js';

/** In this order: what is left of the first ones is for the others. */
const PASSES: readonly Pass[] = [attentionPass, normPass, ...LOWERING];

/**
 * Puts fused ops in the place of what transformers spell out: attention, layer norms with their
 * modulation; and writes products in ways that every backend runs well and right: no Einsum, no
 * batched product with a matrix of weights, no bias that tfjs adds wrongly. Finds them by data
 * flow, never by name; computes the same up to float32 rounding.
 *
 * Constants that it looks at, it reads in step: `fuseGraphAsync` waits for those that are on a GPU.
 *
 * `rewriteGraph` does this by itself in mode 'integer'; a fused graph can be calibrated and
 * rewritten too.
 *
 * @param model A loaded `tf.GraphModel`; it stays as it is. Weights are shared with it: dispose
 * both, in any order.
 * @throws InvalidArgumentError for anything else.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { fuseGraph } from 'tfjs-hadanorm';
 * import { tinyDit, tinyInputs } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * const fast = fuseGraph(model);
 * model.dispose();
 * const velocity = fast.predict(tinyInputs([0.5]));
 * ```
 */
export function fuseGraph(model: GraphModel): GraphModel {
  return fused('fuseGraph', model);
}

function fused(op: string, model: GraphModel): GraphModel {
  const graph = graphOfModel(op, model);
  verifyGraph(graph, op);
  const builder = new GraphBuilder(graph);
  try {
    return planned(modelFromGraph(fuseNodes(graph, builder), model, builder.tensors));
  } catch (error) {
    builder.dispose();
    throw error;
  }
}

/**
 * As `fuseGraph`, for a model that has run on WebGPU: constants that are on the GPU by now are
 * waited for, where reading them in step stalls the page, or cannot be.
 *
 * @throws As `fuseGraph`; WebglContextLostError, WebgpuDeviceLostError where the backend's device
 * is lost.
 */
export async function fuseGraphAsync(model: GraphModel): Promise<GraphModel> {
  const op = 'fuseGraphAsync';
  await weightsOnHost(op, model, 'small');
  return fused(op, model);
}

/**
 * The graph with fused ops; the same graph where there is nothing to fuse. New weights are the
 * builder's.
 */
export function fuseNodes(graph: Graph, builder: GraphBuilder): Graph {
  const op = 'fuseGraph';
  return applyPasses(op, normalizeNodes(op, graph, builder), builder, PASSES);
}
