import type { GraphModel } from '@tensorflow/tfjs-converter';
import { io } from '@tensorflow/tfjs-core';
import { checkInteger, checkOptions } from '../../ops/common/checks.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import type { Bytes } from '../../ops/numerics/bytes.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { joined } from '../graph/chunks.js';
import { MODEL_JSON, packedFiles, SHARD_BYTES } from './modelFiles.js';
import { packedModel, takesInTurn } from './packed.js';

/**
 * Saves a rewritten model packed: 4-bit weights take half a byte. Plain `tf.loadGraphModel` reads
 * it once this package is imported; `loadQuantized` checks it first.
 *
 * @param model A model of `rewriteGraph`, or one that was loaded. It stays usable.
 * @param target Any tfjs save handler, such as `fileSystem(folder)` of `tfjs-hadanorm/node`, or its
 * URL ('indexeddb://…', 'downloads://…', with tfjs-node 'file://…').
 * @param options `signal` cancels between two weights, before anything is handed to the target; of
 * `opfs` and `fileSystem`, which take one weight after the other, nothing is left then.
 * @throws InvalidArgumentError for a target that no handler knows; AbortedError when cancelled;
 * WebglContextLostError, WebgpuDeviceLostError where the backend's device is lost.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { loadQuantized, rewriteGraph, saveQuantized } from 'tfjs-hadanorm';
 * import { tinyDit } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * const { model: small } = rewriteGraph(model, { method: 'hadamard' });
 * let saved: tf.io.ModelArtifacts = {};
 * await saveQuantized(small, tf.io.withSaveHandler(async (artifacts) => {
 *   saved = artifacts;
 *   return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
 * }));
 * const again = await loadQuantized(tf.io.fromMemory(saved));
 * ```
 */
export async function saveQuantized(
  model: GraphModel,
  target: io.IOHandler | string,
  options: WatchOptions = {},
): Promise<io.SaveResult> {
  const op = 'saveQuantized';
  checkOptions(op, options, ['signal', 'onProgress']);
  const handler = typeof target === 'string' ? saveHandler(op, target) : target;
  if (handler === null || typeof handler !== 'object' || typeof handler.save !== 'function') {
    throw new InvalidArgumentError(op, 'target', 'a save handler or its URL', describe(target));
  }
  if (takesInTurn(handler)) return handler.saveInTurn(packedModel(op, model, options));
  const inChunks = (handler as { takesChunks?: unknown }).takesChunks === true;
  return handler.save(await packedArtifacts(op, model, options, inChunks));
}

/** Options of `quantizedFiles`. */
export interface QuantizedFilesOptions extends WatchOptions {
  /** Bytes per file of weights. Default 4 MiB. */
  shardBytes?: number;
}

/**
 * A rewritten model as the files that `saveQuantized` stands for, to write, zip or upload:
 * 'model.json' and 'group1-shard1of3.bin' and so on, which must lie in one folder.
 *
 * @example
 * ```ts
 * import { mkdtemp, writeFile } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import '@tensorflow/tfjs';
 * import { quantizedFiles, rewriteGraph } from 'tfjs-hadanorm';
 * import { tinyDit } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * const { model: small } = rewriteGraph(model, { method: 'hadamard' });
 * const folder = await mkdtemp(join(tmpdir(), 'small-'));
 * for (const [name, bytes] of await quantizedFiles(small)) {
 *   await writeFile(join(folder, name), bytes);
 * }
 * ```
 */
export async function quantizedFiles(
  model: GraphModel,
  options: QuantizedFilesOptions = {},
): Promise<Map<string, Bytes>> {
  const op = 'quantizedFiles';
  checkOptions(op, options, ['shardBytes', 'signal', 'onProgress']);
  const { shardBytes = SHARD_BYTES, ...watch } = options;
  checkInteger(op, 'shardBytes', shardBytes, 1);
  const shards = new Map<string, Bytes>();
  for await (const [name, bytes] of packedFiles(packedModel(op, model, watch), shardBytes)) {
    shards.set(name, bytes);
  }
  // before the weights, as people read
  return new Map([[MODEL_JSON, shards.get(MODEL_JSON)!], ...shards]);
}

/** All of a packed model at once. */
async function packedArtifacts(
  op: string,
  model: GraphModel,
  watch: WatchOptions,
  inChunks: boolean,
): Promise<io.ModelArtifacts> {
  const packed = packedModel(op, model, watch);
  const data: ArrayBuffer[] = [];
  for await (const bytes of packed.weights()) data.push(bytes);
  // else one buffer: tfjs's CompositeArrayBuffer loses data where the first of several is empty
  const weightData = inChunks ? data : joined(data);
  return { ...packed.artifacts(), weightData };
}

function saveHandler(op: string, url: string): io.IOHandler {
  const handlers = io.getSaveHandlers(url);
  if (handlers.length === 1) return handlers[0]!;
  const wayOut =
    "In Node, pass fileSystem(folder) of 'tfjs-hadanorm/node'; quantizedFiles gives the files.";
  throw new InvalidArgumentError(op, 'target', 'a URL that one tfjs handler saves to', url, wayOut);
}
