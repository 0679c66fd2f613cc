import { open, readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { io } from '@tensorflow/tfjs-core';
import { type ReadFor, readArray, readObject, readString } from '../../ops/common/readers.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { checkedSpecs, ELEMENT_BYTES, type WeightSpec } from '../graph/weightSpecs.js';
import { ModelFormatError, ModelLoadError } from '../save/format.js';
import { modelFilesInTurn } from '../save/modelFiles.js';
import { writeWhole } from './wholeFiles.js';

/** A handler of tfjs that both loads and saves. */
export interface FileSystem extends io.IOHandler {
  /** Weights may come in many buffers of any length, which tfjs's own handlers get wrong. */
  readonly takesChunks: true;
  load(): Promise<io.ModelArtifacts>;
  save(artifacts: io.ModelArtifacts): Promise<io.SaveResult>;
}

/**
 * A folder on disk as tfjs's functions load from it and save to it, in Node, Bun and Deno, with or
 * without tfjs-node: `tf.loadGraphModel(fileSystem('model'))`, `model.save(…)`, `loadQuantized`,
 * `saveQuantized`.
 *
 * Saving writes `model.json` and shards of 4 MiB, all to disk before the first takes its place, so
 * that a save that is interrupted leaves what was there. Shards that the former `model.json` there
 * named are removed.
 *
 * @param path The folder, or the `model.json` in it: a path or a `file:` URL.
 * @throws InvalidArgumentError for what is no path. When it loads, ModelLoadError for files that
 * are not there, with the reason as its `cause`; ModelFormatError for contents that are no model.
 * When it saves, HadaNormError for a place that cannot be written.
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import * as tf from '@tensorflow/tfjs';
 * import { loadQuantized, rewriteGraph, saveQuantized } from 'tfjs-hadanorm';
 * import { fileSystem } from 'tfjs-hadanorm/node';
 *
 * // a small trained DiT
 * const url = import.meta.resolve('tfjs-hadanorm-avatars-nano/model.json');
 * const model = await tf.loadGraphModel(fileSystem(url));
 * const { model: small } = rewriteGraph(model, { method: 'hadamard' });
 * const folder = await mkdtemp(join(tmpdir(), 'small-'));
 * await saveQuantized(small, fileSystem(folder));
 * const again = await loadQuantized(fileSystem(folder));
 * ```
 */
export function fileSystem(path: string | URL): FileSystem {
  const file = modelPath(path);
  return {
    takesChunks: true,
    load: () => loadFiles(file),
    save: (artifacts) => saveFiles(file, artifacts),
  };
}

const MODEL_JSON = 'model.json';
const LOAD = 'fileSystem.load';
const SAVE = 'fileSystem.save';
const AGAIN = 'Get the model again.';

/** The path of model.json. */
function modelPath(given: string | URL): string {
  const isUrl = given instanceof URL || (typeof given === 'string' && /^file:/.test(given));
  if (!isUrl && (typeof given !== 'string' || given === '' || /^\w{2,}:\/\//.test(given))) {
    const wayOut = 'For a model on a server, pass its URL to tf.loadGraphModel itself.';
    const wanted = 'the path or file: URL of a folder or of model.json';
    throw new InvalidArgumentError('fileSystem', 'path', wanted, describe(given), wayOut);
  }
  const path = resolve(isUrl ? pathOfUrl(new URL(given)) : given);
  return basename(path).endsWith('.json') ? path : join(path, MODEL_JSON);
}

function pathOfUrl(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw new InvalidArgumentError('fileSystem', 'path', 'a file: URL', describe(url.href));
  }
}

async function loadFiles(file: string): Promise<io.ModelArtifacts> {
  const json = parsed(await read(file, () => readFile(file, 'utf8')), file);
  const paths = json.weightsManifest.flatMap((group) => group.paths);
  const specs = specsOf(file, json.weightsManifest);
  const weightData = await readShards(dirname(file), paths);
  checkLength(file, specs, weightData.byteLength);
  return io.getModelArtifactsForJSONSync(json, [...specs], weightData);
}

/** @throws ModelFormatError for what is no model.json. */
function parsed(text: string, file: string): io.ModelJSON {
  const by: ReadFor = { op: LOAD, wayOut: AGAIN };
  const shape = readObject({
    weightsManifest: readArray(readObject({ paths: readArray(readString) })),
  });
  return formatted(file, () => {
    const json: io.ModelJSON = JSON.parse(text);
    const { weightsManifest } = shape(json, basename(file), by);
    for (const path of weightsManifest.flatMap(({ paths }) => paths)) {
      if (isAbsolute(path) || relative('', path).startsWith('..')) {
        const wanted = 'a path within the folder of the model';
        throw new InvalidArgumentError(LOAD, 'weightsManifest.paths', wanted, describe(path));
      }
    }
    return json;
  });
}

function specsOf(file: string, manifest: io.WeightsManifestConfig): readonly WeightSpec[] {
  return formatted(file, () =>
    checkedSpecs(
      LOAD,
      manifest.flatMap(({ weights }) => weights),
    ),
  );
}

/** What is wrong with contents, as a ModelFormatError that names the file. */
function formatted<T>(file: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : describe(cause);
    throw Object.assign(new ModelFormatError(LOAD, `${file} is no model: ${words}`), { cause });
  }
}

/** All shards in one buffer: tfjs finds zeros in several of unequal lengths. */
async function readShards(folder: string, paths: readonly string[]): Promise<ArrayBuffer> {
  const files = paths.map((path) => join(folder, path));
  const sizes = await Promise.all(
    files.map((file) => read(file, async () => (await stat(file)).size)),
  );
  const data = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const [i, file] of files.entries()) {
    await read(file, () => readInto(file, data.subarray(at, at + sizes[i]!)));
    at += sizes[i]!;
  }
  return data.buffer;
}

/** Bytes that one read may ask for: Node takes no more than 2 GiB. */
const READ_BYTES = 2 ** 30;

async function readInto(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file);
  try {
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(bytes.length - at, READ_BYTES));
      if (bytesRead === 0) throw new Error(`it ended after ${at} bytes`);
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

/** What `node:fs` says of a file, as a ModelLoadError. */
async function read<T>(file: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : describe(cause);
    const wayOut = 'Check the path, and that all files are there.';
    const problem = `${file} cannot be read: ${words}. ${wayOut}`;
    throw Object.assign(new ModelLoadError(LOAD, problem), { cause });
  }
}

/** @throws ModelFormatError unless the shards are as long as model.json says. */
function checkLength(file: string, specs: readonly WeightSpec[], bytes: number): void {
  const wanted = specs.reduce((sum, spec) => sum + bytesOf(spec), 0);
  // of strings there are as many bytes as there are: NaN
  if (bytes === wanted || Number.isNaN(wanted)) return;
  const problem = `the weights beside ${file} are truncated or another model's`;
  throw new ModelFormatError(LOAD, `${problem}: ${bytes} bytes, not ${wanted}. ${AGAIN}`);
}

/** As the file stores it; NaN for strings. */
function bytesOf({ shape, dtype, quantization }: WeightSpec): number {
  const width = ELEMENT_BYTES[quantization?.dtype ?? dtype] ?? Number.NaN;
  return shape.reduce((product, dim) => product * dim, width);
}

async function saveFiles(file: string, artifacts: io.ModelArtifacts): Promise<io.SaveResult> {
  if (artifacts.modelTopology instanceof ArrayBuffer) {
    throw new InvalidArgumentError(SAVE, 'modelTopology', 'JSON', 'binary data');
  }
  const folder = dirname(file);
  const former = await shardsOf(file);
  const shards = new Set<string>();
  await writeWhole(folder, shardsFirst(artifacts, basename(file), shards));
  const left = former.filter((path) => !shards.has(path));
  await Promise.all(left.map((path) => rm(join(folder, path), { force: true })));
  return { modelArtifactsInfo: io.getModelArtifactsInfoForJSON(artifacts) };
}

/** model.json last: until then the former one stands. */
function* shardsFirst(
  artifacts: io.ModelArtifacts,
  name: string,
  shards: Set<string>,
): Generator<[string, Uint8Array]> {
  let json: Uint8Array | undefined;
  for (const [path, bytes] of modelFilesInTurn(artifacts, SAVE)) {
    if (json === undefined) json = bytes;
    else {
      shards.add(path);
      yield [path, bytes];
    }
  }
  yield [name, json!];
}

/** The shards that a model.json names; none where there is none that can be read. */
async function shardsOf(file: string): Promise<string[]> {
  try {
    const { weightsManifest } = parsed(await readFile(file, 'utf8'), file);
    return weightsManifest.flatMap(({ paths }) => paths);
  } catch {
    return [];
  }
}
