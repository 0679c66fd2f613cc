import { GraphModel } from '@tensorflow/tfjs-converter';
import { io } from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { checkSealed, ModelFormatError } from './format.js';

/**
 * Loads a model that `saveQuantized` wrote, checked first: version, size and checksum of
 * everything. The weights stay packed in memory, and outputs equal those of the saved model to the
 * bit.
 *
 * @param source A URL of model.json, or any tfjs load handler.
 * @param options As for `tf.loadGraphModel` (`requestInit`, `onProgress`, …).
 * @throws ModelFormatError for a model that is truncated, altered, of another version or not saved
 * by this package.
 */
export async function loadQuantized(
  source: string | io.IOHandler,
  options: io.LoadOptions = {},
): Promise<GraphModel> {
  const op = 'loadQuantized';
  const handler = typeof source === 'string' ? loadHandler(op, source, options) : source;
  if (handler === null || typeof handler !== 'object' || handler.load === undefined) {
    throw new InvalidArgumentError(op, 'source', 'a load handler or a URL', describe(source));
  }
  let artifacts: io.ModelArtifacts;
  try {
    artifacts = await handler.load();
  } catch (error) {
    // JSON that ends early, a shard that is missing: tfjs's words stay, as the cause
    const reason = error instanceof Error ? error.message : String(error);
    const failure = new ModelFormatError(op, `the model cannot be read: ${reason}`);
    throw Object.assign(failure, { cause: error });
  }
  checkSealed(op, artifacts);
  const model = new GraphModel(io.fromMemory(artifacts));
  await model.load();
  return model;
}

function loadHandler(op: string, url: string, options: io.LoadOptions): io.IOHandler {
  const handlers = io.getLoadHandlers(url, options);
  if (handlers.length > 1) {
    throw new InvalidArgumentError(
      op,
      'source',
      'a URL that one tfjs handler reads',
      describe(url),
    );
  }
  return handlers[0] ?? io.http(url, options);
}
