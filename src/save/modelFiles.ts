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
  const { weightData, weightSpecs, modelTopology, ...rest } = artifacts;
  const data = new Chunks(weightData, op);
  const count = Math.max(Math.ceil(data.byteLength / shardBytes), 1);
  const paths = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`);
  const weightsManifest = [{ paths, weights: weightSpecs ?? [] }];
  const json = { modelTopology, ...rest, weightsManifest };
  const files = new Map([['model.json', new TextEncoder().encode(JSON.stringify(json))]]);
  paths.forEach((path, i) => {
    const end = Math.min((i + 1) * shardBytes, data.byteLength);
    files.set(path, new Uint8Array(data.slice(i * shardBytes, end)));
  });
  return files;
}
