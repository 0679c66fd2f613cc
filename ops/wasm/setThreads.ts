import { checkInteger } from '../common/checks.js';
import { initializedBackend } from '../common/kernel.js';
import { backendLoaded } from '../common/withBackend.js';
import { HadaNormError } from '../numerics/errors.js';
import type { WasmBackend } from './instance/backend.js';
import { wasmModule } from './module.js';

const MAX_THREADS = 64;

/**
 * Sets the number of threads that this package's kernels use on the WASM backend. It is 1 until
 * this is called.
 *
 * Threads need memory that tfjs shares: its threaded build, which it runs in cross-origin isolated
 * pages, and in Node after {@link useThreadedWasm}. Elsewhere one thread does the work. tfjs's own
 * kernels have threads of their own (`setThreadsCount` of tfjs-backend-wasm). Results do not depend
 * on the number of threads, to the bit. When a worker dies within a call, that call throws a
 * `WasmThreadError`; later ones run on one thread.
 *
 * @param threads Threads with the caller's, 1 to 64; more than the machine has cores is of no use.
 * @returns The threads in use: 1 where the memory is not shared, fewer than asked for where workers
 * could not start.
 * @throws InvalidArgumentError for another number, HadaNormError before the WASM backend is
 * initialized.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import '@tensorflow/tfjs-backend-wasm';
 * import { getThreads, setThreads } from 'tfjs-hadanorm';
 *
 * await tf.setBackend('wasm');
 * // 1 in Node, where tfjs does not share its memory by default
 * const threads = await setThreads(4);
 * console.log(threads === getThreads()); // true
 * await setThreads(1); // ends the workers
 * ```
 */
export async function setThreads(threads: number): Promise<number> {
  const op = 'setThreads';
  checkInteger(op, 'threads', threads, 1, MAX_THREADS);
  const backend = initializedBackend<WasmBackend>('wasm');
  if (backend === undefined) {
    const wayOut = "Call it after await tf.setBackend('wasm').";
    throw new HadaNormError(op, `the WASM backend is not initialized. ${wayOut}`);
  }
  await backendLoaded('wasm');
  return (await wasmModule(backend)?.setThreads(threads)) ?? 1;
}

/**
 * The number of threads that this package's kernels use on the WASM backend; see {@link
 * setThreads}.
 */
export function getThreads(): number {
  const backend = initializedBackend<WasmBackend>('wasm');
  return (backend && wasmModule(backend)?.threads) ?? 1;
}
