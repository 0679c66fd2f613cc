import { readFile, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { io } from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { gathered } from '../graph/artifacts.js';
import { MODEL_JSON, packedFiles } from '../save/modelFiles.js';
import { givenWhole, type InTurnHandler, type PackedModel } from '../save/packed.js';
import { LOAD, modelInTurn, parsed } from './readModel.js';
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
  const handler: FileSystem & InTurnHandler = {
    takesChunks: true,
    load: async () => gathered(LOAD, await modelInTurn(file)),
    loadInTurn: () => modelInTurn(file),
    save: (artifacts) => saveWhole(file, artifacts),
    saveInTurn: (model) => saveInTurn(file, model),
  };
  return handler;
}

const SAVE = 'fileSystem.save';

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

async function saveWhole(file: string, artifacts: io.ModelArtifacts): Promise<io.SaveResult> {
  if (artifacts.modelTopology instanceof ArrayBuffer) {
    throw new InvalidArgumentError(SAVE, 'modelTopology', 'JSON', 'binary data');
  }
  return saveInTurn(file, givenWhole(SAVE, artifacts));
}

async function saveInTurn(file: string, model: PackedModel): Promise<io.SaveResult> {
  const folder = dirname(file);
  const former = await shardsOf(file);
  const shards = new Set<string>();
  async function* files(): AsyncGenerator<[string, Uint8Array]> {
    // model.json is last: until then the former one stands
    for await (const [name, bytes] of packedFiles(model)) {
      if (name !== MODEL_JSON) shards.add(name);
      yield [name === MODEL_JSON ? basename(file) : name, bytes];
    }
  }
  await writeWhole(folder, files());
  const left = former.filter((path) => !shards.has(path));
  await Promise.all(left.map((path) => rm(join(folder, path), { force: true })));
  const info = io.getModelArtifactsInfoForJSON(model.artifacts());
  return { modelArtifactsInfo: { ...info, weightDataBytes: model.byteLength } };
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
