import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import type { Progress } from '../../../ops/common/progress.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { graphOfModel } from '../../graph/model.js';
import { loadCheckpoint } from '../../load/loadCheckpoint.js';
import { type FileSystem, fileSystem } from '../../node/fileSystem.js';
import { quantizedAlready } from '../../rewrite/nothingToQuantize.js';
import { type FormatMetadata, ModelFormatError } from '../../save/format.js';
import { loadQuantized } from '../../save/loadQuantized.js';
import { checkpointAt, type SizeFlags, sizesOf } from './checkpoints.js';

/** What a model is watched by while it loads. */
interface Watch {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/**
 * A model of a folder, a model.json, its URL or a package, or of a published checkpoint, on the
 * backend that computes.
 */
export async function openModel(
  source: string,
  { signal, onProgress }: Watch,
  sizes: SizeFlags = {},
): Promise<GraphModel> {
  signal.throwIfAborted();
  const checkpoint = await checkpointAt(source);
  if (checkpoint !== null) {
    return loadCheckpoint(checkpoint, { ...sizesOf(sizes), signal, onProgress });
  }
  const handler = handlerOf(source);
  const model = await loaded(source, handler);
  const packed = isPacked(source, model);
  if (packed) {
    model.dispose();
    return loadQuantized(handler, { signal, onProgress });
  }
  onProgress({ stage: 'load', done: 1, total: 1, name: source });
  return model;
}

/** @throws ModelFormatError for files of which tfjs makes no model. */
async function loaded(source: string, handler: string | FileSystem): Promise<GraphModel> {
  try {
    return await loadGraphModel(handler);
  } catch (cause) {
    if (cause instanceof HadaNormError) throw cause;
    const words = cause instanceof Error ? cause.message : describe(cause);
    const problem = `tfjs makes no model of ${source}: ${words}. Get the model again.`;
    throw Object.assign(new ModelFormatError('MODEL', problem), { cause });
  }
}

/**
 * Whether `saveQuantized` sealed it, so that its checksums tell damage before it runs.
 * @throws HadaNormError for a graph that is broken, once it is let go.
 */
function isPacked(source: string, model: GraphModel): boolean {
  try {
    const { artifacts } = graphOfModel(source, model);
    const said = artifacts.userDefinedMetadata?.hadanorm as Partial<FormatMetadata> | undefined;
    return said?.topology !== undefined;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/**
 * A model that is quantized, its files checked.
 * @throws InvalidArgumentError for one that is not.
 */
async function openQuantized(source: string, watch: Watch): Promise<GraphModel> {
  const handler = handlerOf(source);
  const model = await loadQuantized(handler, watch);
  if (quantizedAlready(graphOfModel('openQuantized', model)) > 0) return model;
  model.dispose();
  const wanted = 'a model that this package quantized';
  throw new InvalidArgumentError('QUANTIZED', 'model', wanted, source);
}

/** What is loaded: a URL, a path, or the model.json of a package that is installed. */
function handlerOf(source: string): string | FileSystem {
  if (/^https?:\/\//.test(source)) return source;
  return fileSystem(existsSync(source) ? source : (packaged(source) ?? source));
}

const PACKAGE_NAME = /^(@[\w.-]+\/)?[\w-][\w.-]*$/;

/** The model.json of a package beside the user's files, or beside this one, where npx puts it. */
function packaged(name: string): string | null {
  if (!PACKAGE_NAME.test(name)) return null;
  for (const from of [join(process.cwd(), 'any.js'), import.meta.url]) {
    try {
      return createRequire(from).resolve(`${name}/model.json`);
    } catch {
      // not there: the error for a path that is not there says it
    }
  }
  return null;
}

/** Runs with an original and what was made of it, and disposes of both. */
export async function withModels<T>(
  original: string,
  quantized: string,
  watch: Watch,
  run: (model: GraphModel, small: GraphModel) => Promise<T>,
  sizes: SizeFlags = {},
): Promise<T> {
  const model = await openModel(original, watch, sizes);
  try {
    const small = await openQuantized(quantized, watch);
    try {
      return await run(model, small);
    } finally {
      small.dispose();
    }
  } finally {
    model.dispose();
  }
}
