import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, io } from '@tensorflow/tfjs-core';
import { checkBackends } from '../../ops/common/alive.js';
import { checkCallback, checkSignal, throwIfAborted } from '../../ops/common/callers.js';
import { checkPlain } from '../../ops/common/checks.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { modelFromTensors, stillThere } from '../graph/model.js';
import { weightsFromTensors } from '../graph/weights.js';
import { planned } from '../plan/planned.js';
import { caused, Downloads, loadError, wordsOf } from './downloads.js';
import { checkSealed, ModelFormatError } from './format.js';
import { takesInTurn } from './packed.js';
import { unpacked } from './unpacked.js';

/** Options of `loadQuantized`: those of `tf.loadGraphModel`, with progress as everywhere here. */
export interface LoadQuantizedOptions extends Omit<io.LoadOptions, 'onProgress'>, WatchOptions {}

/**
 * Loads a model that `saveQuantized` wrote, checked first: version, size and checksum of
 * everything. The weights stay packed in memory, and outputs equal those of the saved model to the
 * bit.
 *
 * @param source A URL of model.json, or any tfjs load handler.
 * @param options As for `tf.loadGraphModel` (`requestInit`, `fetchFunc`, …). `onProgress` tells of
 * every file that came, and of the model as the last part; `signal` ends the download. With tfjs's
 * `streamWeights` files come one after the other, and tensors are made of them as they come: of a
 * large model nothing is there twice.
 * @throws AbortedError when cancelled; ModelFormatError for a model that is truncated, altered, of
 * another version or not saved by this package; ModelLoadError where a file does not come: it has
 * the reason as its `cause`; WebglContextLostError, WebgpuDeviceLostError where the backend's
 * device is lost.
 */
export async function loadQuantized(
  source: string | io.IOHandler,
  options: LoadQuantizedOptions = {},
): Promise<GraphModel> {
  const op = 'loadQuantized';
  checkPlain(op, 'options', options);
  const { signal, onProgress, ...fetching } = options;
  checkSignal(op, signal);
  checkCallback(op, 'options.onProgress', onProgress);
  checkCallback(op, 'options.fetchFunc', options.fetchFunc);
  const downloads = new Downloads(op, {
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  const handler =
    typeof source === 'string'
      ? loadHandler(op, source, downloads.watched(fetching))
      : watchedHandler(source, downloads);
  if (handler === null || typeof handler !== 'object' || typeof handler.load !== 'function') {
    throw new InvalidArgumentError(op, 'source', 'a load handler or a URL', describe(source));
  }
  checkBackends(op);
  throwIfAborted(op, signal);
  const load = takesInTurn(handler) ? handler.loadInTurn : handler.load.bind(handler);
  const model = await loadedFrom(op, async () => load(), signal);
  await stillThere(op, model, model);
  downloads.done();
  return planned(model);
}

async function loadedFrom(
  op: string,
  load: () => Promise<io.ModelArtifacts>,
  signal: AbortSignal | undefined,
): Promise<GraphModel> {
  const read = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throwIfAborted(op, signal);
      throw loadError(op, error);
    }
  };
  const artifacts = await read(load);
  throwIfAborted(op, signal);
  const sealed = checkSealed(op, artifacts);
  const tensors = await read(() => unpacked(op, artifacts, sealed, signal));
  try {
    const map = Object.fromEntries(Object.entries(tensors).map(([name, one]) => [name, [one]]));
    const specs = [...sealed.graph.weights.values()].map(({ spec }) => spec);
    // what has the data, which would stay as long as the model
    const { weightData, getWeightStream, ...rest } = artifacts;
    const weights = weightsFromTensors(specs, map, op);
    return modelFromTensors({ ...sealed.graph, artifacts: rest, weights }, tensors);
  } catch (error) {
    dispose(tensors);
    checkBackends(op);
    throw caused(new ModelFormatError(op, `tfjs cannot load the model: ${wordsOf(error)}`), error);
  }
}

function loadHandler(op: string, url: string, options: io.LoadOptions): io.IOHandler {
  const wanted = 'a URL that one tfjs handler reads';
  const handlers = io.getLoadHandlers(url, options);
  if (url === '' || handlers.length > 1) {
    throw new InvalidArgumentError(op, 'source', wanted, describe(url));
  }
  try {
    return handlers[0] ?? io.http(url, options);
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

/** A handler of `tf.io.http` with the watched fetch in place of its own; any other as it is. */
function watchedHandler(handler: HttpHandler, downloads: Downloads): io.IOHandler {
  const isHttp = handler?.constructor === io.http('http:').constructor;
  if (!isHttp || handler.loadOptions === undefined) return handler;
  const loadOptions = downloads.watched(handler.loadOptions);
  return Object.assign(Object.create(handler), { fetch: loadOptions.fetchFunc, loadOptions });
}
