import { GraphModel } from '@tensorflow/tfjs-converter';
import { io, keep, reshape, Tensor } from '@tensorflow/tfjs-core';
import { bringToHost, checkBackends, stillAlive } from '../../ops/common/alive.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { graphFromArtifacts, topologyArtifacts } from './artifacts.js';
import { joined } from './chunks.js';
import type { Graph } from './ir.js';
import { verifyGraph } from './verify.js';
import { encodeWeight, weightsFromTensors } from './weights.js';

const WANTED = 'a loaded tf.GraphModel';

/**
 * The graph of a loaded model. Weights are read from its tensors when asked for, so nothing is
 * copied.
 * @throws InvalidArgumentError for anything but a loaded `tf.GraphModel`, and for a disposed one;
 * it says how to convert a layers model. HadaNormError for a graph that is broken.
 */
export function graphOfModel(op: string, model: GraphModel): Graph {
  checkModel(op, model);
  let artifacts: io.ModelArtifacts | undefined;
  const handler = io.withSaveHandler(async (given) => {
    artifacts = given;
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'GraphDef' } };
  });
  // save() calls its handler before its first await
  void model.save(handler);
  if (artifacts === undefined) {
    throw new HadaNormError(op, 'the model has no artifacts. Load it with tf.loadGraphModel.');
  }
  const specs = artifacts.weightSpecs ?? [];
  const weights = weightsFromTensors(specs, model.weights, op);
  const graph = graphFromArtifacts(artifacts, weights, op);
  verifyGraph(graph, op);
  return graph;
}

/** A tensor for each weight that the new model does not share with another. */
export type NewTensors = ReadonlyMap<string, Tensor>;

/**
 * A model that runs a graph. Weights come from `created`, which it takes over; the rest are shared
 * with `source`: the same memory, counted twice, so that either model may be disposed first.
 */
export function modelFromGraph(graph: Graph, source: GraphModel, created: NewTensors): GraphModel {
  const map: Record<string, Tensor> = {};
  for (const name of graph.weights.keys()) {
    const shared = source.weights[name]?.[0];
    // reshape shares the memory on every backend, where clone may copy
    map[name] = keep(created.get(name) ?? reshape(shared!, shared!.shape));
  }
  // what one pass made another may have replaced
  for (const [name, made] of created) if (!graph.weights.has(name)) made.dispose();
  return modelFromTensors(graph, map);
}

/** A model on tensors that it owns from now on. */
export function modelFromTensors(
  graph: Graph,
  tensors: Readonly<Record<string, Tensor>>,
): GraphModel {
  const topology = topologyArtifacts(graph);
  const artifacts: io.ModelArtifacts = { ...topology };
  const decodeWeights = () => ({ ...tensors });
  const model = new GraphModel(io.fromMemory(topology), {}, { ...io, decodeWeights });
  model.loadSync(artifacts);
  // the weights are in the tensors; a getter keeps model.save(…) working without a second copy
  // until then, which loading would ask for
  Object.defineProperty(artifacts, 'weightData', {
    enumerable: true,
    get: () => dataOf(graph, tensors),
  });
  return model;
}

function dataOf(graph: Graph, tensors: Readonly<Record<string, Tensor>>): ArrayBuffer {
  const map = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, [tensor]]));
  const specs = [...graph.weights.values()].map(({ spec }) => spec);
  const weights = weightsFromTensors(specs, map);
  return joined(specs.map((spec) => encodeWeight(spec, weights.get(spec.name)!.values())));
}

/** The tensors of a model's weights; none where a model has no such. */
export function weightTensors(model: object): Tensor[] {
  const given: unknown = 'weights' in model ? model.weights : {};
  const weights: unknown[] = Object.values(given ?? {}).flat();
  return weights.filter((tensor) => tensor instanceof Tensor);
}

/** Elements of a weight that is no matrix: a bias, a constant that tells shapes or axes. */
const SMALL = 2 ** 16;

/**
 * Waits for the weights that looking at a model reads, where its backend is not to be read in step:
 * `bringToHost`. Whatever is no model is left to who checks it.
 * @param which 'small': constants and biases; 'all': what linears multiply with too.
 */
export async function weightsOnHost(
  op: string,
  model: unknown,
  which: 'small' | 'all',
): Promise<void> {
  const tensors = typeof model === 'object' && model !== null ? weightTensors(model) : [];
  await bringToHost(op, which === 'all' ? tensors : tensors.filter(({ size }) => size <= SMALL));
}

/**
 * What the weights of a model gave so far was theirs: their device is there. Else what was made of
 * it is disposed of.
 * @throws As `checkBackends`.
 */
export async function stillThere(
  op: string,
  model: object,
  made: GraphModel | null,
): Promise<void> {
  try {
    await stillAlive(op, weightTensors(model));
  } catch (error) {
    made?.dispose();
    throw error;
  }
}

/**
 * @throws InvalidArgumentError for a model whose weights were disposed, and as `checkBackends`
 * where they were lost.
 */
export function checkAlive(op: string, model: object): void {
  const weights = weightTensors(model);
  checkBackends(op, weights);
  if (!weights.some(({ isDisposed }) => isDisposed)) return;
  const got = 'one without its tensors: the model was disposed';
  throw new InvalidArgumentError(op, 'model', WANTED, got, 'Load it again.');
}

/** @throws InvalidArgumentError for anything but a loaded `tf.GraphModel`, not disposed. */
export function checkModel(op: string, model: unknown): asserts model is GraphModel {
  if (model === null || typeof model !== 'object') {
    throw new InvalidArgumentError(op, 'model', WANTED, describe(model));
  }
  if ('layers' in model) {
    const wayOut = 'Convert it: toGraphModel(model, exampleInputs).';
    throw new InvalidArgumentError(op, 'model', WANTED, 'a tf.LayersModel', wayOut);
  }
  if (!('save' in model) || !('execute' in model) || !('modelSignature' in model)) {
    throw new InvalidArgumentError(op, 'model', WANTED, describe(model));
  }
  const { executor } = model as { executor?: unknown };
  if (executor === undefined || executor === null) {
    const wayOut = 'Call load() first, or use tf.loadGraphModel.';
    throw new InvalidArgumentError(op, 'model', WANTED, 'a GraphModel that is not loaded', wayOut);
  }
  checkAlive(op, model);
}
