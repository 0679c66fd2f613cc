import type { io } from '@tensorflow/tfjs-core';
import { describe, HadaNormError } from '../../ops/common/errors.js';
import { crc32 } from '../../ops/common/packing.js';
import { weightBytes, weightsFromData } from '../graph/weights.js';

/** Version of what this package writes into a model: `userDefinedMetadata.hadanorm.version`. */
export const FORMAT_VERSION = 1;

/** What a saved model says of itself under `userDefinedMetadata.hadanorm`. */
export interface FormatMetadata {
  readonly version: number;
  /** CRC-32 of the topology's JSON. */
  readonly topology?: number;
  /** CRC-32 of each weight's bytes, in the order of the weight specs. */
  readonly weights?: readonly number[];
}

/** A saved model cannot be loaded: it is truncated, altered, newer than this package, or not its own. */
export class ModelFormatError extends HadaNormError {
  override readonly name = 'ModelFormatError';
}

/** Adds the version and the checksums. */
export function sealed(artifacts: io.ModelArtifacts): io.ModelArtifacts {
  const weights = weightsFromData(artifacts.weightSpecs ?? [], artifacts.weightData);
  const hadanorm: FormatMetadata = {
    version: FORMAT_VERSION,
    topology: topologyChecksum(artifacts),
    weights: [...weights.values()].map((weight) => crc32(new Uint8Array(weight.bytes()))),
  };
  return {
    ...artifacts,
    userDefinedMetadata: { ...artifacts.userDefinedMetadata, hadanorm },
  };
}

/**
 * Checks a model before anything is made of it.
 * @throws ModelFormatError that says what is wrong and what to do.
 */
export function checkSealed(op: string, artifacts: io.ModelArtifacts): void {
  const fail = (problem: string): never => {
    throw new ModelFormatError(op, problem);
  };
  const metadata = artifacts.userDefinedMetadata?.hadanorm as FormatMetadata | undefined;
  if (metadata === undefined || typeof metadata.version !== 'number') {
    return fail('this model was not saved by saveQuantized. Load it with tf.loadGraphModel.');
  }
  const { version, topology, weights: checksums } = metadata;
  if (version > FORMAT_VERSION) {
    const known = `this is version ${FORMAT_VERSION}`;
    fail(`the model has format version ${version}, ${known}. Update tfjs-hadanorm.`);
  }
  if (topology === undefined || checksums === undefined) {
    return fail('the model has no checksums: it was saved by model.save, not by saveQuantized.');
  }
  if (topologyChecksum(artifacts) !== topology) {
    fail('the graph in model.json was altered since it was saved. Get the model again.');
  }
  const specs = artifacts.weightSpecs ?? [];
  if (specs.length !== checksums.length) {
    fail(`model.json lists ${specs.length} weights, ${checksums.length} were saved. Get it again.`);
  }
  const weights = [...weightsFromData(specs, artifacts.weightData).values()];
  const wanted = weights.reduce((sum, weight) => sum + weightBytes(weight), 0);
  const got = byteLength(artifacts.weightData);
  if (got !== wanted)
    fail(`there are ${got} bytes of weights, ${wanted} were saved. Get them again.`);
  weights.forEach(({ spec, bytes }, i) => {
    if (crc32(new Uint8Array(bytes())) === checksums[i]) return;
    fail(`the weight ${describe(spec.name)} was altered since it was saved. Get the model again.`);
  });
}

function topologyChecksum({ modelTopology, weightSpecs }: io.ModelArtifacts): number {
  return crc32(new TextEncoder().encode(JSON.stringify([modelTopology, weightSpecs])));
}

function byteLength(data: io.WeightData | undefined): number {
  if (data === undefined) return 0;
  return Array.isArray(data)
    ? data.reduce((sum, part) => sum + part.byteLength, 0)
    : data.byteLength;
}
