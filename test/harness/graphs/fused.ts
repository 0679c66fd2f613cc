import * as tf from '@tensorflow/tfjs';
import { constantView } from '../../../src/graph/constants.js';
import type { GraphNode } from '../../../src/graph/ir.js';
import { graphOfModel } from '../../../src/graph/model.js';
import type { ZooGraph } from './kit.js';
import { loaded, outputsOf } from './run.js';

type How = 'execute' | 'executeAsync';

/** The nodes of a model, in file order. */
export function nodesOf(model: tf.GraphModel): GraphNode[] {
  return [...graphOfModel('test', model).nodes.values()];
}

/** How many nodes of each op a model has. */
export function opsOf(model: tf.GraphModel): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { op } of nodesOf(model)) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}

/** How many roots there are that a norm takes: GELU and the like have none. */
export function rootsIn(model: tf.GraphModel): number {
  const graph = graphOfModel('test', model);
  const isRoot = ({ op, inputs }: GraphNode) => {
    if (op !== 'Pow') return op === 'Rsqrt' || op === 'Sqrt';
    return constantView(graph, inputs[1]!)?.read()[0] === -0.5;
  };
  return [...graph.nodes.values()].filter(isRoot).length;
}

/**
 * What a graph gives for several batch sizes and token counts, by the cpu backend: wasm cannot run
 * them all.
 */
export async function exactOutputs(graph: ZooGraph, how: How): Promise<Float32Array[][]> {
  const backend = tf.getBackend();
  await tf.setBackend('cpu');
  const model = await loaded(graph.artifacts);
  const outputs = await allOutputs(graph, model, how);
  model.dispose();
  await tf.setBackend(backend);
  return outputs;
}

/** What a model gives for the same inputs. */
export async function allOutputs(
  graph: ZooGraph,
  model: tf.GraphModel,
  how: How,
): Promise<Float32Array[][]> {
  const outputs: Float32Array[][] = [];
  for (const tokens of graph.tokens) {
    for (const batch of [1, 3]) {
      outputs.push(await outputsOf(model, graph.inputs(batch, tokens, 40 + batch), how));
    }
  }
  return outputs;
}
