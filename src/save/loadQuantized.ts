import { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, env, io, type NamedTensorMap } from '@tensorflow/tfjs-core';
import { checkBackends } from '../../ops/common/alive.js';
import { checkCallback } from '../../ops/common/callers.js';
import { checkPlain } from '../../ops/common/checks.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { chunksOf } from '../graph/artifacts.js';
import { Chunks } from '../graph/chunks.js';
import { stillThere } from '../graph/model.js';
import { checkSealed, ModelFormatError, ModelLoadError } from './format.js';

/**
 * Loads a model that `saveQuantized` wrote, checked first: version, size and checksum of
 * everything. The weights stay packed in memory, and outputs equal those of the saved model to the
 * bit.
 *
 * @param source A URL of model.json, or any tfjs load handler.
 * @param options As for `tf.loadGraphModel` (`requestInit`, `onProgress`, …).
 * @throws ModelFormatError for a model that is truncated, altered, of another version or not saved
 * by this package; ModelLoadError where a file does not come: it has the reason as its `cause`;
 * WebglContextLostError, WebgpuDeviceLostError where the backend's device is lost.
 */
export async function loadQuantized(
  source: string | io.IOHandler,
  options: io.LoadOptions = {},
): Promise<GraphModel> {
  const op = 'loadQuantized';
  checkPlain(op, 'options', options);
  checkCallback(op, 'options.onProgress', options.onProgress);
  checkCallback(op, 'options.fetchFunc', options.fetchFunc);
  const handler = typeof source === 'string' ? loadHandler(op, source, options) : source;
  if (handler === null || typeof handler !== 'object' || typeof handler.load !== 'function') {
    throw new InvalidArgumentError(op, 'source', 'a load handler or a URL', describe(source));
  }
  checkBackends(op);
  let artifacts: io.ModelArtifacts;
  try {
    artifacts = await gathered(op, await checkedHandler(op, handler).load!());
  } catch (error) {
    throw loadError(op, error);
  }
  checkSealed(op, artifacts);
  let tensors: NamedTensorMap = {};
  const decodeWeights: typeof io.decodeWeights = (...given) => {
    tensors = io.decodeWeights(...given);
    return tensors;
  };
  const model = new GraphModel(io.fromMemory(artifacts), {}, { ...io, decodeWeights });
  try {
    await model.load();
  } catch (error) {
    dispose(tensors);
    checkBackends(op);
    throw caused(new ModelFormatError(op, `tfjs cannot load the model: ${wordsOf(error)}`), error);
  }
  await stillThere(op, model, model);
  return model;
}

/** The artifacts with the weights that come as a stream. */
async function gathered(op: string, artifacts: io.ModelArtifacts): Promise<io.ModelArtifacts> {
  if (typeof artifacts?.getWeightStream !== 'function') return artifacts;
  const { getWeightStream, ...rest } = artifacts;
  const chunks = new Chunks(await chunksOf(getWeightStream()), op);
  return { ...rest, weightData: chunks.slice(0, chunks.byteLength) };
}

function loadHandler(op: string, url: string, options: io.LoadOptions): io.IOHandler {
  const wanted = 'a URL that one tfjs handler reads';
  const checked = { ...options, fetchFunc: checkedFetch(op, options) };
  const handlers = io.getLoadHandlers(url, checked);
  if (url === '' || handlers.length > 1) {
    throw new InvalidArgumentError(op, 'source', wanted, describe(url));
  }
  try {
    return handlers[0] ?? io.http(url, checked);
  } catch (error) {
    throw caused(
      new InvalidArgumentError(op, 'options', 'such as tfjs takes', wordsOf(error)),
      error,
    );
  }
}

/** What a handler of `tf.io.http` keeps; its weights come by the options' own fetch. */
interface HttpHandler extends io.IOHandler {
  readonly loadOptions?: io.LoadOptions;
}

/** A handler of `tf.io.http` with the checked fetch in place of its own; any other as it is. */
function checkedHandler(op: string, handler: HttpHandler): io.IOHandler {
  const { loadOptions } = handler;
  const isHttp = handler.constructor === io.http('http:').constructor;
  if (!isHttp || loadOptions === undefined) return handler;
  const fetchFunc = checkedFetch(op, loadOptions);
  const checked = { fetch: fetchFunc, loadOptions: { ...loadOptions, fetchFunc } };
  return Object.assign(Object.create(handler), checked);
}

/** fetch, with an error for an answer that is none: tfjs takes it for the weights. */
function checkedFetch(op: string, { fetchFunc }: io.LoadOptions): typeof fetch {
  return async (path, init, ...more: unknown[]) => {
    const fetched = fetchFunc ?? env().platform.fetch;
    let response: Response;
    try {
      response = await Reflect.apply(fetched, undefined, [path, init, ...more]);
    } catch (error) {
      if (isAbort(error)) throw error;
      const cause = `${describe(path)} did not come (${wordsOf(error)})`;
      const problem = `the model cannot be read: ${cause}.`;
      throw caused(new ModelLoadError(op, `${problem} Check the URL and the network.`), error);
    }
    if (response?.ok !== false) return response;
    const status = `${response.status} ${response.statusText}`.trim();
    const answer = `the server answered ${status} for ${describe(path)}`;
    const problem = `the model cannot be read: ${answer}.`;
    throw new ModelLoadError(op, `${problem} Check the URL, and that all files are there.`);
  };
}

/** What a handler threw: contents that are wrong, or files that did not come. */
function loadError(op: string, error: unknown): unknown {
  if (error instanceof HadaNormError || isAbort(error)) return error;
  const words = wordsOf(error);
  const { name } = error instanceof Error ? error : { name: '' };
  const unreached = /fetch|network|load failed|status code|ECONN|ENOENT/i.test(words);
  const unread = /Type|Range|Syntax/.test(name) || /JSON|model topology/.test(words);
  const problem = `the model cannot be read: ${words}`;
  if (unread && !unreached) return caused(new ModelFormatError(op, problem), error);
  return caused(new ModelLoadError(op, problem), error);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : describe(error);
}

/** tfjs's words stay, as the cause. */
function caused<T extends Error>(failure: T, cause: unknown): T {
  return Object.assign(failure, { cause });
}
