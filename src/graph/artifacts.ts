import type { io } from '@tensorflow/tfjs-core';
import { readString, recordOf } from '../../ops/common/readers.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { type Chunk, Chunks, joined } from './chunks.js';
import { type Graph, type GraphNode, type NodeDef, nodeFrom, nodeOf } from './ir.js';
import { checkedNodes } from './nodeDefs.js';
import { type Weight, weightsFromData } from './weights.js';

/** The topology inside a GraphModel's artifacts, as far as this package reads it. */
interface Topology {
  readonly node: readonly NodeDef[];
}

/**
 * Reads the artifacts of a GraphModel: what an `io.IOHandler` loads, or `model.save` hands to a
 * save handler.
 *
 * Strings and dtypes may be in either encoding, weight data in one buffer or several, weights
 * quantized by tfjs. The bytes of the weights are not copied until someone reads them.
 *
 * @param weights Where the weights are, if not in `artifacts.weightData`: see `weightsFromTensors`.
 * @param op Who is named in errors.
 * @throws InvalidArgumentError for something else than a graph model; HadaNormError for one that is
 * broken.
 */
export function graphFromArtifacts(
  artifacts: io.ModelArtifacts,
  weights?: ReadonlyMap<string, Weight>,
  op = 'graphFromArtifacts',
): Graph {
  const topology = artifacts.modelTopology as Topology | undefined;
  if (topology === undefined || topology === null || !Array.isArray(topology.node)) {
    const command =
      'tensorflowjs_converter ' +
      '--input_format=tfjs_layers_model --output_format=tfjs_graph_model';
    const wayOut = `Convert a layers model with ${command}.`;
    const got = artifacts.modelTopology === undefined ? 'none' : describe(artifacts.modelTopology);
    const wanted = 'a graph with nodes (a tf.GraphModel)';
    throw new InvalidArgumentError(op, 'modelTopology', wanted, got, wayOut);
  }
  const nodes = new Map<string, GraphNode>();
  for (const def of checkedNodes(op, topology.node)) nodes.set(def.name, nodeFrom(def));
  const read = weights ?? weightsFromData(artifacts.weightSpecs ?? [], artifacts.weightData, op);
  return { nodes, weights: read, artifacts, ...endsOf(op, nodes, artifacts) };
}

/**
 * As `graphFromArtifacts`, for artifacts whose weights come as a stream (`tf.loadGraphModel` with
 * `streamWeights`).
 */
export async function graphFromStream(artifacts: io.ModelArtifacts): Promise<Graph> {
  if (artifacts.getWeightStream === undefined) return graphFromArtifacts(artifacts);
  const chunks = await chunksOf(artifacts.getWeightStream());
  return graphFromArtifacts(artifacts, weightsFromData(artifacts.weightSpecs ?? [], chunks));
}

/**
 * Artifacts whose weights come as a stream, with all that it gives in one buffer: tfjs finds zeros
 * in several of unequal lengths.
 */
export async function gathered(
  op: string,
  artifacts: io.ModelArtifacts,
): Promise<io.ModelArtifacts> {
  const { getWeightStream, ...rest } = artifacts;
  if (getWeightStream === undefined) return artifacts;
  const chunks = new Chunks(await chunksOf(getWeightStream()), op);
  return { ...rest, weightData: chunks.slice(0, chunks.byteLength) };
}

/** All that a stream of weights gives. */
async function chunksOf(stream: ReadableStream<ArrayBuffer>): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
  }
  return chunks;
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
  op: string,
  nodes: ReadonlyMap<string, GraphNode>,
  artifacts: io.ModelArtifacts,
): { inputs: string[]; outputs: string[] } {
  const metadata = artifacts.userDefinedMetadata as { signature?: unknown } | undefined;
  const given: unknown = metadata?.signature ?? artifacts.signature;
  const by = { op, wayOut: 'Get the model again, or convert it again.' };
  const signature = given === undefined || given === null ? {} : recordOf(given, 'signature', by);
  const all = [...nodes.values()];
  const named = (side: 'inputs' | 'outputs', otherwise: () => GraphNode[]) => {
    const at = `signature.${side}`;
    const entries = Object.entries(recordOf(signature[side] ?? {}, at, by));
    if (entries.length === 0) return otherwise().map(({ name }) => name);
    const names = entries.map(([key, end]) => {
      const path = `${at}[${JSON.stringify(key)}]`;
      const { name } = recordOf(end, path, by);
      return nodeOf(readString(name ?? key, `${path}.name`, by));
    });
    return [...new Set(names)].filter((name) => nodes.has(name));
  };
  return {
    inputs: named('inputs', () => all.filter(({ op }) => op.startsWith('Placeholder'))),
    outputs: named('outputs', () => {
      const read = new Set(all.flatMap((node) => [...node.inputs.map(nodeOf), ...node.controls]));
      return all.filter(({ name }) => !read.has(name));
    }),
  };
}
