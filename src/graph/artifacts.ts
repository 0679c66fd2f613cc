import type { io } from '@tensorflow/tfjs-core';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { type Chunk, joined } from './chunks.js';
import { type Graph, type GraphNode, type NodeDef, nodeFrom, nodeOf } from './ir.js';
import { type Weight, weightsFromData } from './weights.js';

/** The topology inside a GraphModel's artifacts, as far as this package reads it. */
interface Topology {
  readonly node: readonly NodeDef[];
}

interface Signature {
  readonly inputs?: Readonly<Record<string, { name?: string }>>;
  readonly outputs?: Readonly<Record<string, { name?: string }>>;
}

/**
 * Reads the artifacts of a GraphModel: what an `io.IOHandler` loads, or `model.save` hands to a
 * save handler.
 *
 * Strings and dtypes may be in either encoding, weight data in one buffer or several, weights
 * quantized by tfjs. The bytes of the weights are not copied until someone reads them.
 *
 * @param weights Where the weights are, if not in `artifacts.weightData`: see `weightsFromTensors`.
 * @throws InvalidArgumentError for something else than a graph model; HadaNormError for one that is
 * broken.
 */
export function graphFromArtifacts(
  artifacts: io.ModelArtifacts,
  weights: ReadonlyMap<string, Weight> = weightsFromData(
    artifacts.weightSpecs ?? [],
    artifacts.weightData,
  ),
): Graph {
  const topology = artifacts.modelTopology as Topology | undefined;
  if (topology === undefined || topology === null || !Array.isArray(topology.node)) {
    const command =
      'tensorflowjs_converter ' +
      '--input_format=tfjs_layers_model --output_format=tfjs_graph_model';
    const wayOut = `Convert a layers model with ${command}.`;
    const got = artifacts.modelTopology === undefined ? 'none' : describe(artifacts.modelTopology);
    throw new InvalidArgumentError(
      'graphFromArtifacts',
      'modelTopology',
      'a graph with nodes (a tf.GraphModel)',
      got,
      wayOut,
    );
  }
  const nodes = new Map<string, GraphNode>();
  for (const def of topology.node) {
    if (nodes.has(def.name)) {
      const problem = `there are two nodes named ${describe(def.name)}.`;
      throw new HadaNormError('graphFromArtifacts', problem);
    }
    nodes.set(def.name, nodeFrom(def));
  }
  const graph = { nodes, weights, artifacts, ...endsOf(nodes, artifacts) };
  return graph;
}

/**
 * As `graphFromArtifacts`, for artifacts whose weights come as a stream (`tf.loadGraphModel` with
 * `streamWeights`).
 */
export async function graphFromStream(artifacts: io.ModelArtifacts): Promise<Graph> {
  if (artifacts.getWeightStream === undefined) return graphFromArtifacts(artifacts);
  const chunks: Chunk[] = [];
  const reader = artifacts.getWeightStream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
  }
  return graphFromArtifacts(artifacts, weightsFromData(artifacts.weightSpecs ?? [], chunks));
}

/**
 * The artifacts that a graph stands for. A graph that no pass changed gives what it was read from.
 */
export function graphToArtifacts(graph: Graph): io.ModelArtifacts {
  return {
    ...topologyArtifacts(graph),
    weightData: joined([...graph.weights.values()].map((weight) => weight.bytes())),
  };
}

/** The artifacts without weight data. */
export function topologyArtifacts(graph: Graph): io.ModelArtifacts {
  // weightData may be a getter that encodes every weight: it must not be read to be left out
  const rest = Object.fromEntries(
    Object.keys(graph.artifacts)
      .filter((key) => key !== 'weightData' && key !== 'getWeightStream')
      .map((key) => [key, graph.artifacts[key as keyof io.ModelArtifacts]]),
  ) as io.ModelArtifacts;
  const defs = [...graph.nodes.values()].map(({ def }) => def);
  return {
    ...rest,
    modelTopology: { ...(rest.modelTopology as Topology), node: defs },
    weightSpecs: [...graph.weights.values()].map(({ spec }) => spec),
  };
}

/**
 * Inputs and outputs by the signature, without those that the graph lacks; where it names none, as
 * tfjs finds them: placeholders, and nodes nobody reads.
 */
function endsOf(
  nodes: ReadonlyMap<string, GraphNode>,
  artifacts: io.ModelArtifacts,
): { inputs: string[]; outputs: string[] } {
  const metadata = artifacts.userDefinedMetadata as { signature?: Signature } | undefined;
  const signature = metadata?.signature ?? (artifacts.signature as Signature | undefined);
  const all = [...nodes.values()];
  const named = (ends: Signature['inputs'], otherwise: () => GraphNode[]) => {
    const entries = Object.entries(ends ?? {});
    if (entries.length === 0) return otherwise().map(({ name }) => name);
    const names = entries.map(([key, { name }]) => nodeOf(name ?? key));
    return [...new Set(names)].filter((name) => nodes.has(name));
  };
  return {
    inputs: named(signature?.inputs, () => all.filter(({ op }) => op.startsWith('Placeholder'))),
    outputs: named(signature?.outputs, () => {
      const read = new Set(all.flatMap((node) => [...node.inputs.map(nodeOf), ...node.controls]));
      return all.filter(({ name }) => !read.has(name));
    }),
  };
}
