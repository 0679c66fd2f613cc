import type { io } from '@tensorflow/tfjs-core';
import { type ReadFor, readArray, readObject, readString } from '../../ops/common/readers.js';
import type { Bytes } from '../../ops/numerics/bytes.js';
import { caused, wordsOf } from './downloads.js';
import { ModelFormatError } from './format.js';
import type { PackedModel } from './packed.js';

/**
 * Bytes per file of weights, as tensorflowjs_converter has it: browsers cache files of this size.
 */
export const SHARD_BYTES = 4 * 2 ** 20;

/** What a model's file of all but its weights is called. */
export const MODEL_JSON = 'model.json';

/**
 * A model as the files that tfjs loads, one by one: the weights in shards, then model.json, whose
 * checksums are known when they have come. Of the shards there is one at a time.
 */
export async function* packedFiles(
  { byteLength, weights, artifacts }: PackedModel,
  shardBytes = SHARD_BYTES,
): AsyncGenerator<[string, Bytes], void> {
  const paths = shardPaths(byteLength, shardBytes, 'group1');
  let i = 0;
  for await (const shard of inPieces(weights(), byteLength, shardBytes)) {
    yield [paths[i++]!, shard];
  }
  yield [MODEL_JSON, modelJson(artifacts(), paths)];
}

/** So many bytes in pieces of one length, of which the last may be shorter; one at least. */
async function* inPieces(
  data: AsyncIterable<ArrayBuffer>,
  byteLength: number,
  pieceBytes: number,
): AsyncGenerator<Bytes, void> {
  let piece = new Uint8Array(Math.min(pieceBytes, byteLength));
  let [at, left] = [0, byteLength];
  for await (const given of data) {
    for (let from = 0; from < given.byteLength; ) {
      const count = Math.min(piece.length - at, given.byteLength - from);
      piece.set(new Uint8Array(given, from, count), at);
      at += count;
      from += count;
      if (at < piece.length) continue;
      yield piece;
      left -= at;
      at = 0;
      piece = new Uint8Array(Math.min(pieceBytes, left));
    }
  }
  if (byteLength === 0) yield piece;
}

/** What files of so many bytes in all are called. */
export function shardPaths(byteLength: number, shardBytes: number, group: string): string[] {
  const count = Math.max(Math.ceil(byteLength / shardBytes), 1);
  return Array.from({ length: count }, (_, i) => `${group}-shard${i + 1}of${count}.bin`);
}

/** Whether a file is called so. */
export function isShard(name: string): boolean {
  return /^group\d+-shard\d+of\d+\.bin$/.test(name);
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
