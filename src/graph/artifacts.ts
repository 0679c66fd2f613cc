import { io } from '@tensorflow/tfjs-core';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/common/errors.js';
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
 * Reads the artifacts of a GraphModel: what an `io.IOHandler` loads, or `model.save` hands to a save handler.
 *
 * Strings and dtypes may be in either encoding, weight data in one buffer or several, weights quantized by tfjs. The
 * bytes of the weights are not copied until someone reads them.
 *
 * @param weights Where the weights are, if not in `artifacts.weightData`: see `weightsFromTensors`.
 * @throws InvalidArgumentError for something else than a graph model; HadaNormError for one that is broken.
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
    const wayOut =
      'Convert a layers model with tensorflowjs_converter --input_format=tfjs_layers_model --output_format=tfjs_graph_model.';
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
  const graph = { nodes, weights, rest: artifacts, ...endsOf(nodes, artifacts) };
  return graph;
}

/** As `graphFromArtifacts`, for artifacts whose weights come as a stream (`tf.loadGraphModel` with `streamWeights`). */
export async function graphFromStream(artifacts: io.ModelArtifacts): Promise<Graph> {
  if (artifacts.getWeightStream === undefined) return graphFromArtifacts(artifacts);
  const chunks: ArrayBuffer[] = [];
  const reader = artifacts.getWeightStream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
  }
  return graphFromArtifacts(artifacts, weightsFromData(artifacts.weightSpecs ?? [], chunks));
}

/** The artifacts that a graph stands for. A graph that no pass changed gives what it was read from. */
export function graphToArtifacts(graph: Graph): io.ModelArtifacts {
  return {
    ...topologyArtifacts(graph),
    weightData: io.CompositeArrayBuffer.join(
      [...graph.weights.values()].map((weight) => weight.bytes()),
    ),
  };
}

/** The artifacts without weight data. */
export function topologyArtifacts(graph: Graph): io.ModelArtifacts {
  const { weightData: _data, getWeightStream: _stream, ...rest } = graph.rest;
  const defs = [...graph.nodes.values()].map(({ def }) => def);
  return {
    ...rest,
    modelTopology: { ...(rest.modelTopology as Topology), node: defs },
    weightSpecs: [...graph.weights.values()].map(({ spec }) => spec),
  };
}

/** Inputs and outputs by the signature; without one as tfjs finds them: placeholders, and nodes nobody reads. */
function endsOf(
  nodes: ReadonlyMap<string, GraphNode>,
  artifacts: io.ModelArtifacts,
): { inputs: string[]; outputs: string[] } {
  const metadata = artifacts.userDefinedMetadata as { signature?: Signature } | undefined;
  const signature = metadata?.signature ?? (artifacts.signature as Signature | undefined);
  const named = (ends?: Readonly<Record<string, { name?: string }>>) =>
    Object.entries(ends ?? {}).map(([key, { name }]) => nodeOf(name ?? key));
  const inputs = named(signature?.inputs);
  const outputs = named(signature?.outputs);
  const all = [...nodes.values()];
  const read = new Set(all.flatMap((node) => [...node.inputs.map(nodeOf), ...node.controls]));
  const isInput = ({ op }: GraphNode) => op.startsWith('Placeholder');
  return {
    inputs: inputs.length > 0 ? inputs : all.filter(isInput).map(({ name }) => name),
    outputs:
      outputs.length > 0
        ? [...new Set(outputs)]
        : all.filter((node) => !read.has(node.name) && node.op !== 'Const').map(({ name }) => name),
  };
}
