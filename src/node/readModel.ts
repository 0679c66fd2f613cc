import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { io } from '@tensorflow/tfjs-core';
import { type ReadFor, readArray, readObject, readString } from '../../ops/common/readers.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { checkedSpecs, type WeightSpec } from '../graph/weightSpecs.js';
import { storedBytes } from '../graph/weights.js';
import { ModelFormatError, ModelLoadError } from '../save/format.js';

export const LOAD = 'fileSystem.load';
const AGAIN = 'Get the model again.';

/**
 * A model's folder, its weights a stream that reads what it is asked for.
 * @throws ModelLoadError, ModelFormatError.
 */
export async function modelInTurn(file: string): Promise<io.ModelArtifacts> {
  const json = parsed(await read(file, () => readFile(file, 'utf8')), file);
  const files = json.weightsManifest
    .flatMap(({ paths }) => paths)
    .map((path) => join(dirname(file), path));
  const specs = specsOf(file, json.weightsManifest);
  const sizes = await Promise.all(
    files.map((shard) => read(shard, async () => (await stat(shard)).size)),
  );
  checkLength(
    file,
    specs,
    sizes.reduce((sum, size) => sum + size, 0),
  );
  const { weightData, ...artifacts } = io.getModelArtifactsForJSONSync(json, [...specs], []);
  return { ...artifacts, getWeightStream: () => streamOf(shardPieces(files, sizes)) };
}

/** Nothing is read ahead of who reads. */
function streamOf(
  pieces: AsyncGenerator<ArrayBuffer>,
): ReturnType<NonNullable<io.ModelArtifacts['getWeightStream']>> {
  const pull = async (controller: ReadableStreamDefaultController<ArrayBuffer>) => {
    const { done, value } = await pieces.next();
    if (done) controller.close();
    else controller.enqueue(value);
  };
  const cancel = async () => {
    await pieces.return(undefined);
  };
  return new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
}

/** @throws ModelFormatError for what is no model.json. */
export function parsed(text: string, file: string): io.ModelJSON {
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

/** Bytes that are read at a time. */
const PIECE_BYTES = 4 * 2 ** 20;

async function* shardPieces(
  files: readonly string[],
  sizes: readonly number[],
): AsyncGenerator<ArrayBuffer> {
  for (const [i, file] of files.entries()) {
    const handle = await read(file, () => open(file));
    try {
      for (let at = 0; at < sizes[i]!; at += PIECE_BYTES) {
        const bytes = new Uint8Array(Math.min(PIECE_BYTES, sizes[i]! - at));
        await read(file, () => readAll(handle, bytes, at));
        yield bytes.buffer;
      }
    } finally {
      await handle.close();
    }
  }
}

async function readAll(handle: FileHandle, bytes: Uint8Array, from: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at, from + at);
    if (bytesRead === 0) throw new Error(`it ended after ${from + at} bytes`);
    at += bytesRead;
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
  const wanted = specs.reduce(
    (sum, spec) => sum + (spec.dtype === 'string' ? Number.NaN : storedBytes(spec)),
    0,
  );
  // of strings there are as many bytes as there are: NaN
  if (bytes === wanted || Number.isNaN(wanted)) return;
  const problem = `the weights beside ${file} are truncated or another model's`;
  throw new ModelFormatError(LOAD, `${problem}: ${bytes} bytes, not ${wanted}. ${AGAIN}`);
}
