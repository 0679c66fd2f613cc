import type { io } from '@tensorflow/tfjs-core';
import { type ReadFor, readArray, readObject, readString } from '../../ops/common/readers.js';
import type { Bytes } from '../../ops/numerics/bytes.js';
import { Chunks } from '../graph/chunks.js';
import { caused, wordsOf } from './downloads.js';
import { ModelFormatError } from './format.js';

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
  group = 'group1',
): Generator<[string, Bytes], void> {
  const data = new Chunks(artifacts.weightData, op);
  const paths = shardPaths(data.byteLength, shardBytes, group);
  yield ['model.json', modelJson(artifacts, paths)];
  for (const [i, path] of paths.entries()) {
    const end = Math.min((i + 1) * shardBytes, data.byteLength);
    yield [path, new Uint8Array(data.slice(i * shardBytes, end))];
  }
}

/** What files of so many bytes in all are called. */
export function shardPaths(byteLength: number, shardBytes: number, group: string): string[] {
  const count = Math.max(Math.ceil(byteLength / shardBytes), 1);
  return Array.from({ length: count }, (_, i) => `${group}-shard${i + 1}of${count}.bin`);
}

/** The model.json of a model whose weights are in these files. */
export function modelJson(artifacts: io.ModelArtifacts, paths: readonly string[]): Bytes {
  const { weightData, weightSpecs, modelTopology, ...rest } = artifacts;
  const weightsManifest = [{ paths, weights: weightSpecs ?? [] }];
  const json = { modelTopology, ...rest, weightsManifest };
  return new TextEncoder().encode(JSON.stringify(json));
}

/** What files of weights are called that are not there yet. */
export function freeGroup(former: readonly string[]): string {
  let group = 1;
  while (former.some((name) => name.startsWith(`group${group}-`))) group++;
  return `group${group}`;
}

/** The files of weights that a model.json names. @throws ModelFormatError for what is none. */
export function shardsNamed(op: string, json: Uint8Array): string[] {
  const by: ReadFor = { op, wayOut: 'Save the model again.' };
  const shape = readObject({
    weightsManifest: readArray(readObject({ paths: readArray(readString) })),
  });
  try {
    const read = shape(JSON.parse(new TextDecoder().decode(json)), 'model.json', by);
    return read.weightsManifest.flatMap(({ paths }) => paths);
  } catch (cause) {
    throw caused(new ModelFormatError(op, `model.json is no model: ${wordsOf(cause)}`), cause);
  }
}
