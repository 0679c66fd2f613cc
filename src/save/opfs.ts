import { io } from '@tensorflow/tfjs-core';
import { checkCallback, checkSignal, throwIfAborted } from '../../ops/common/callers.js';
import { checkOptions } from '../../ops/common/checks.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { gathered } from '../graph/artifacts.js';
import { checkedSpecs } from '../graph/weightSpecs.js';
import { caused, wordsOf } from './downloads.js';
import { ModelLoadError } from './format.js';
import { freeGroup, modelJson, shardPaths, shardsNamed } from './modelFiles.js';
import { givenWhole, type InTurnHandler, type PackedModel } from './packed.js';
import { shardStream } from './shardStream.js';
import { removeFiles, removeLeft, ShardWriter, writeFile } from './shardWriter.js';

/** Options of `opfs`. */
export interface OpfsOptions extends WatchOptions {
  /**
   * The folder that paths begin at, such as one that the user picked. Default the origin's private
   * file system.
   */
  readonly root?: FileSystemDirectoryHandle;
}

/** A handler of tfjs that both loads from a browser's files and saves to them. */
export interface OpfsHandler extends io.IOHandler {
  load(): Promise<io.ModelArtifacts>;
  save(artifacts: io.ModelArtifacts): Promise<io.SaveResult>;
}

const MODEL_JSON = 'model.json';
const LOAD = 'opfs.load';
const SAVE = 'opfs.save';

/** Larger than those for a server: files here need no cache. */
const SHARD_BYTES = 32 * 2 ** 20;

/**
 * A folder of the browser's own file system (OPFS) as tfjs's functions load from it and save to it:
 * for models of a gigabyte and more, of which IndexedDB would want several copies in memory.
 *
 * Weights are written as they are packed, to files under new names, `model.json` last: a save that
 * is cancelled or fails leaves the former model, and nothing of itself; what a page that was closed
 * meanwhile has left goes with the next save. They are read as tensors
 * are made of them, so that neither way the packed model is there twice. `onProgress` tells of
 * every file ('save' and 'load'), `signal` cancels between two weights.
 *
 * @param folder Its path, names with '/' between them; made where it is not there.
 * @throws InvalidArgumentError for no such path, or where the browser has no such file system.
 * AbortedError when cancelled. When it loads, ModelLoadError for files that are not there,
 * ModelFormatError for contents that are no model. When it saves, HadaNormError where there is no
 * room, with the reason as its `cause`.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { loadQuantized, rewriteGraph, saveQuantized } from 'tfjs-hadanorm';
 * import { opfs } from 'tfjs-hadanorm/load';
 * import { tinyDit } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * const { model: small } = rewriteGraph(model, { method: 'hadamard' });
 * if (globalThis.navigator?.storage?.getDirectory) {
 *   const onProgress = ({ done, total }) => console.log(`${done} of ${total} files`);
 *   await saveQuantized(small, opfs('models/dit', { onProgress }));
 *   const again = await loadQuantized(opfs('models/dit'));
 * }
 * ```
 */
export function opfs(folder: string, options: OpfsOptions = {}): OpfsHandler {
  const op = 'opfs';
  checkOptions(op, options, ['root', 'signal', 'onProgress']);
  checkSignal(op, options.signal);
  checkCallback(op, 'onProgress', options.onProgress);
  const names = typeof folder === 'string' ? folder.split('/') : [];
  if (names.length === 0 || names.some((name) => /^\.{0,2}$/.test(name))) {
    const wanted = "a path of names with '/' between them";
    throw new InvalidArgumentError(op, 'folder', wanted, describe(folder));
  }
  const place = { folder, names, options };
  const handler: OpfsHandler & InTurnHandler = {
    // for tfjs, whose models of a stream cannot be saved
    load: async () => gathered(LOAD, await loadFrom(place)),
    loadInTurn: () => loadFrom(place),
    save: (artifacts) => saveTo(place, givenWhole(SAVE, artifacts)),
    saveInTurn: (model) => saveTo(place, model),
  };
  return handler;
}

interface Place {
  readonly folder: string;
  readonly names: readonly string[];
  readonly options: OpfsOptions;
}

async function directoryOf(
  op: string,
  { names, options: { root } }: Place,
  create: boolean,
): Promise<FileSystemDirectoryHandle> {
  const storage = globalThis.navigator?.storage;
  if (root === undefined && typeof storage?.getDirectory !== 'function') {
    const wayOut = 'Give root, or save to indexeddb://.';
    throw new InvalidArgumentError(op, 'root', 'given where there is no OPFS', 'none', wayOut);
  }
  let at = root ?? (await storage.getDirectory());
  for (const name of names) at = await at.getDirectoryHandle(name, { create });
  return at;
}

async function saveTo(place: Place, model: PackedModel): Promise<io.SaveResult> {
  const { signal, onProgress } = place.options;
  let shards: ShardWriter | null = null;
  try {
    throwIfAborted(SAVE, signal);
    const directory = await directoryOf(SAVE, place, true);
    const former = await shardsIn(directory);
    // a folder of the user's may have other models, under other names
    if (place.options.root === undefined) await removeLeft(directory, former);
    const paths = shardPaths(model.byteLength, SHARD_BYTES, freeGroup(former));
    const total = paths.length + 1;
    shards = new ShardWriter(directory, paths, SHARD_BYTES, (name, done) =>
      onProgress?.({ stage: 'save', done, total, name }),
    );
    for await (const bytes of model.weights()) {
      await shards.write(bytes);
      throwIfAborted(SAVE, signal);
    }
    await shards.end();
    throwIfAborted(SAVE, signal);
    // until now the former model stands
    const artifacts = model.artifacts();
    await writeFile(directory, MODEL_JSON, modelJson(artifacts, paths));
    shards = null;
    onProgress?.({ stage: 'save', done: total, total, name: MODEL_JSON });
    await removeFiles(directory, former);
    const info = io.getModelArtifactsInfoForJSON(artifacts);
    return { modelArtifactsInfo: { ...info, weightDataBytes: model.byteLength } };
  } catch (cause) {
    await shards?.undo();
    if (cause instanceof HadaNormError) throw cause;
    const problem = `${place.folder} cannot be written: ${wordsOf(cause)}`;
    throw caused(new HadaNormError(SAVE, `${problem}. Make room, or choose another.`), cause);
  }
}

async function loadFrom(place: Place): Promise<io.ModelArtifacts> {
  const { signal, onProgress } = place.options;
  throwIfAborted(LOAD, signal);
  const there = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (cause) {
      if (cause instanceof HadaNormError) throw cause;
      const problem = `${place.folder}/${what} cannot be read: ${wordsOf(cause)}`;
      throw caused(new ModelLoadError(LOAD, `${problem}. Save the model again.`), cause);
    }
  };
  const read = (name: string) =>
    there(name, async () => {
      const directory = await directoryOf(LOAD, place, false);
      return (await directory.getFileHandle(name)).getFile();
    });
  const file = await read(MODEL_JSON);
  const json = new Uint8Array(await there(MODEL_JSON, () => file.arrayBuffer()));
  const paths = shardsNamed(LOAD, json);
  const files: File[] = [];
  for (const path of paths) files.push(await read(path));
  throwIfAborted(LOAD, signal);
  const model: io.ModelJSON = JSON.parse(new TextDecoder().decode(json));
  const specs = checkedSpecs(
    LOAD,
    model.weightsManifest.flatMap(({ weights }) => weights),
  );
  const check = () => throwIfAborted(LOAD, signal);
  const readPiece = (piece: Blob, at: number) => there(paths[at]!, () => piece.arrayBuffer());
  const tell = (at: number) =>
    onProgress?.({ stage: 'load', done: at + 1, total: files.length, name: paths[at]! });
  const { weightData, ...artifacts } = io.getModelArtifactsForJSONSync(model, [...specs], []);
  return { ...artifacts, getWeightStream: () => shardStream(files, check, readPiece, tell) };
}

/** Those of the model that is there; none where there is none that can be read. */
async function shardsIn(directory: FileSystemDirectoryHandle): Promise<string[]> {
  try {
    const file = await (await directory.getFileHandle(MODEL_JSON)).getFile();
    return shardsNamed(LOAD, new Uint8Array(await file.arrayBuffer()));
  } catch {
    return [];
  }
}
