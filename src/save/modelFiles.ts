import type { io } from '@tensorflow/tfjs-core';
import type { Bytes } from '../../ops/numerics/bytes.js';
import { Chunks } from '../graph/chunks.js';

/**
 * Bytes per file of weights, as tensorflowjs_converter has it: browsers cache files of this size.
 */
export const SHARD_BYTES = 4 * 2 ** 20;

/** A model's artifacts as the files that tfjs loads: model.json, and the weights in shards. */
export function modelFiles(
  artifacts: io.ModelArtifacts,
  op: string,
  shardBytes = SHARD_BYTES,
): Map<string, Bytes> {
  return new Map(modelFilesInTurn(artifacts, op, shardBytes));
}

/** The same one by one, model.json first: a shard is there when it is asked for. */
export function* modelFilesInTurn(
  artifacts: io.ModelArtifacts,
  op: string,
  shardBytes = SHARD_BYTES,
): Generator<[string, Bytes], void> {
  const { weightData, weightSpecs, modelTopology, ...rest } = artifacts;
  const data = new Chunks(weightData, op);
  const count = Math.max(Math.ceil(data.byteLength / shardBytes), 1);
  const paths = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`);
  const weightsManifest = [{ paths, weights: weightSpecs ?? [] }];
  const json = { modelTopology, ...rest, weightsManifest };
  yield ['model.json', new TextEncoder().encode(JSON.stringify(json))];
  for (const [i, path] of paths.entries()) {
    const end = Math.min((i + 1) * shardBytes, data.byteLength);
    yield [path, new Uint8Array(data.slice(i * shardBytes, end))];
  }
}
