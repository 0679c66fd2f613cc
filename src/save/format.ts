import type { io } from '@tensorflow/tfjs-core';
import { readArray, readInteger, readObject } from '../../ops/common/readers.js';
import { describe, HadaNormError } from '../../ops/numerics/errors.js';
import { KIND } from '../../ops/numerics/kinds.js';
import { crc32 } from '../../ops/numerics/packing.js';
import { graphFromArtifacts } from '../graph/artifacts.js';
import type { Graph } from '../graph/ir.js';
import { verifyGraph } from '../graph/verify.js';
import { checkedSpecs, type WeightSpec } from '../graph/weightSpecs.js';
import { type Weight, weightBytes } from '../graph/weights.js';

/** Version of what this package writes into a model: `userDefinedMetadata.hadanorm.version`. */
export const FORMAT_VERSION = 2;

/** What a saved model says of itself under `userDefinedMetadata.hadanorm`. */
export interface FormatMetadata {
  readonly version: number;
  /** CRC-32 of the JSON of topology, weight specs, signature and initializer. */
  readonly topology?: number;
  /** CRC-32 of each weight's bytes, in the order of the weight specs. */
  readonly weights?: readonly number[];
}

/** A saved model cannot be loaded: it is truncated, altered, of another version, or not its own. */
export class ModelFormatError extends HadaNormError {
  static override readonly [KIND] = 'ModelFormatError';
  override readonly name = 'ModelFormatError';
}

/** A saved model did not come: a file is not there, the network failed; `cause` has the reason. */
export class ModelLoadError extends HadaNormError {
  static override readonly [KIND] = 'ModelLoadError';
  override readonly name = 'ModelLoadError';
}

/** Adds the version and the checksums of a model's weights. */
export function sealed(
  artifacts: io.ModelArtifacts,
  weights: readonly number[],
): io.ModelArtifacts {
  const topology = topologyChecksum(artifacts);
  const hadanorm: FormatMetadata = { version: FORMAT_VERSION, topology, weights };
  return {
    ...artifacts,
    userDefinedMetadata: { ...artifacts.userDefinedMetadata, hadanorm },
  };
}

/** The CRC-32 of a weight's bytes. */
export function checksumOfWeight(bytes: ArrayBuffer): number {
  return crc32(new Uint8Array(bytes));
}

/** A saved model's graph, and what its weights must be. */
export interface Sealed {
  /** Its weights have values where the artifacts have data, and none where that is a stream. */
  readonly graph: Graph;
  /** By weight, in their order. */
  readonly checksums: readonly number[];
}

/**
 * Checks all but the weights themselves, before anything is made of a model.
 * @throws ModelFormatError that says what is wrong and what to do.
 */
export function checkSealed(op: string, artifacts: io.ModelArtifacts): Sealed {
  const error = (problem: string) => new ModelFormatError(op, problem);
  if (artifacts === null || typeof artifacts !== 'object') {
    throw error(`the handler gave no model: ${describe(artifacts)}.`);
  }
  const { topology, weights: checksums } = metadataOf(op, artifacts);
  if (checksumOf(op, artifacts) !== topology) {
    throw error('the graph in model.json was altered since it was saved. Get the model again.');
  }
  const isStream = typeof artifacts.getWeightStream === 'function';
  const graph = readable(op, () => {
    const weights = isStream ? weightsToCome(op, artifacts.weightSpecs ?? []) : undefined;
    const read = graphFromArtifacts(artifacts, weights, op);
    verifyGraph(read, op);
    return read;
  });
  const weights = [...graph.weights.values()];
  if (weights.length !== checksums.length) {
    throw error(
      `model.json lists ${weights.length} weights, ${checksums.length} were saved. Get it again.`,
    );
  }
  if (isStream) return { graph, checksums };
  const wanted = weights.reduce((sum, weight) => sum + weightBytes(weight), 0);
  const got = byteLength(artifacts.weightData);
  if (got !== wanted)
    throw error(`there are ${got} bytes of weights, ${wanted} were saved. Get them again.`);
  return { graph, checksums };
}

/** For a weight whose bytes are not those that were saved. */
export function alteredWeight(op: string, name: string): ModelFormatError {
  const problem = `the weight ${describe(name)} was altered since it was saved.`;
  return new ModelFormatError(op, `${problem} Get the model again.`);
}

function weightsToCome(op: string, specs: readonly WeightSpec[]): Map<string, Weight> {
  const none = () => {
    throw new HadaNormError(op, 'the weights come as a stream, and were not read yet.');
  };
  return new Map(
    checkedSpecs(op, specs).map((spec) => [spec.name, { spec, values: none, bytes: none }]),
  );
}

const readChecksum = readInteger(-(2 ** 31), 2 ** 31 - 1);
const readChecksums = readObject({ topology: readChecksum, weights: readArray(readChecksum) });

function metadataOf(op: string, { userDefinedMetadata }: io.ModelArtifacts) {
  const error = (problem: string) => new ModelFormatError(op, problem);
  const metadata = userDefinedMetadata?.hadanorm as Partial<FormatMetadata> | null | undefined;
  if (typeof metadata?.version !== 'number') {
    throw error('this model was not saved by saveQuantized. Load it with tf.loadGraphModel.');
  }
  const { version, topology, weights } = metadata;
  if (version > FORMAT_VERSION) {
    const known = `this is version ${FORMAT_VERSION}`;
    throw error(`the model has format version ${version}, ${known}. Update tfjs-hadanorm.`);
  }
  if (version < FORMAT_VERSION) {
    const wayOut = 'Quantize the original model again.';
    throw error(`the model has format version ${version}, which is no longer read. ${wayOut}`);
  }
  if (topology === undefined || weights === undefined) {
    throw error('the model has no checksums: it was saved by model.save, not by saveQuantized.');
  }
  const by = { op, wayOut: 'Get the model again.' };
  return readable(op, () => readChecksums(metadata, 'userDefinedMetadata.hadanorm', by));
}

/** What is read, and what is wrong with it as a `ModelFormatError`. */
function readable<T>(op: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof HadaNormError)) throw error;
    throw new ModelFormatError(op, error.message.slice(error.op.length + 2));
  }
}

/** The checksum of what a handler gave, which may be no JSON. */
function checksumOf(op: string, artifacts: io.ModelArtifacts): number {
  try {
    return topologyChecksum(artifacts);
  } catch (error) {
    const reason = error instanceof Error ? error.message : describe(error);
    throw new ModelFormatError(op, `the handler gave what is no JSON: ${reason}`);
  }
}

/** Everything that says what the model computes; metadata and the converter's version do not. */
function topologyChecksum(artifacts: io.ModelArtifacts): number {
  const { modelTopology, weightSpecs, signature } = artifacts;
  const { modelInitializer, initializerSignature } = artifacts;
  const parts = [modelTopology, weightSpecs, signature, modelInitializer, initializerSignature];
  return crc32(new TextEncoder().encode(JSON.stringify(parts)));
}

function byteLength(data: io.WeightData | undefined): number {
  if (data === undefined || data === null) return 0;
  return Array.isArray(data)
    ? data.reduce((sum, part) => sum + part.byteLength, 0)
    : data.byteLength;
}
