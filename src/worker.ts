import { serveBy } from './worker/serve.js';

export { AbortedError, HadaNormError, InvalidArgumentError } from '../ops/numerics/errors.js';
export { connect, ModelWorker } from './worker/connect.js';
export type {
  ModelInput,
  PageCheckpoint,
  PlainBatch,
  PlainCheckpointOptions,
  PlainTensor,
  Quantized,
  Unwatched,
  Which,
} from './worker/protocol.js';

/**
 * Serves a page from the worker in which this is called: see `connect`.
 *
 * @param setup Imports the backends that the page may ask for, and their kernels. tfjs is to be
 * imported here and not before, for this has it take its turns by messages.
 *
 * @example
 * ```js
 * // modelWorker.js
 * import { serve } from 'tfjs-hadanorm/worker';
 *
 * serve(async () => {
 *   const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
 *   setWasmPaths('/wasm/');
 *   await import('tfjs-hadanorm/wasm');
 * });
 * ```
 */
export function serve(setup: () => unknown = () => {}): void {
  serveBy(() => import('./workerService.js'), setup);
}
