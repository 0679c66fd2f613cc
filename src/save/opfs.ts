import { io } from '@tensorflow/tfjs-core';
import { checkCallback, checkSignal, throwIfAborted } from '../../ops/common/callers.js';
import { checkOptions } from '../../ops/common/checks.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { checkedSpecs } from '../graph/weightSpecs.js';
import { caused, wordsOf } from './downloads.js';
import { ModelLoadError } from './format.js';
import { modelFilesInTurn, shardsNamed } from './modelFiles.js';

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
  readonly takesChunks: true;
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
 * for models that are too large for IndexedDB, a gigabyte and more.
 *
 * Weights are written a file at a time under new names, `model.json` last: a save that is cancelled
 * or fails leaves the former model, and nothing of itself. `onProgress` tells of every file ('save'
 * and 'load'), `signal` cancels between two.
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
  return {
    takesChunks: true,
    load: () => loadFrom(place),
    save: (artifacts) => saveTo(place, artifacts),
  };
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

async function saveTo(place: Place, artifacts: io.ModelArtifacts): Promise<io.SaveResult> {
  const { signal, onProgress } = place.options;
  const written: string[] = [];
  let directory: FileSystemDirectoryHandle | undefined;
  try {
    throwIfAborted(SAVE, signal);
    directory = await directoryOf(SAVE, place, true);
    const former = await shardsIn(directory);
    const files = modelFilesInTurn(artifacts, SAVE, SHARD_BYTES, freeGroup(former));
    const [, json] = files.next().value!;
    const total = 1 + shardsNamed(SAVE, json).length;
    for (const [name, bytes] of files) {
      written.push(name);
      await write(directory, name, bytes);
      onProgress?.({ stage: 'save', done: written.length, total, name });
      throwIfAborted(SAVE, signal);
    }
    // until now the former model stands
    await write(directory, MODEL_JSON, json);
    onProgress?.({ stage: 'save', done: total, total, name: MODEL_JSON });
    await remove(directory, former);
    return { modelArtifactsInfo: io.getModelArtifactsInfoForJSON(artifacts) };
  } catch (cause) {
    if (directory !== undefined) await remove(directory, written);
    if (cause instanceof HadaNormError) throw cause;
    const problem = `${place.folder} cannot be written: ${wordsOf(cause)}`;
    throw caused(new HadaNormError(SAVE, `${problem}. Make room, or choose another.`), cause);
  }
}

async function write(
  directory: FileSystemDirectoryHandle,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const handle = await directory.getFileHandle(name, { create: true });
  const stream = await handle.createWritable();
  await stream.write(bytes);
  await stream.close();
}

async function remove(
  directory: FileSystemDirectoryHandle,
  names: readonly string[],
): Promise<void> {
  for (const name of names) await directory.removeEntry(name).catch(() => undefined);
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
  const files = [];
  for (const path of paths) files.push(await read(path));
  // one buffer: tfjs finds zeros in several of unequal lengths
  const data = new Uint8Array(files.reduce((sum, { size }) => sum + size, 0));
  let at = 0;
  for (const [i, shard] of files.entries()) {
    throwIfAborted(LOAD, signal);
    data.set(new Uint8Array(await there(paths[i]!, () => shard.arrayBuffer())), at);
    at += shard.size;
    onProgress?.({ stage: 'load', done: i + 1, total: files.length, name: paths[i]! });
  }
  throwIfAborted(LOAD, signal);
  const model: io.ModelJSON = JSON.parse(new TextDecoder().decode(json));
  const specs = checkedSpecs(
    LOAD,
    model.weightsManifest.flatMap(({ weights }) => weights),
  );
  return io.getModelArtifactsForJSONSync(model, [...specs], data.buffer);
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

/** What files of weights are called that are not there yet. */
function freeGroup(former: readonly string[]): string {
  let group = 1;
  while (former.some((name) => name.startsWith(`group${group}-`))) group++;
  return `group${group}`;
}
