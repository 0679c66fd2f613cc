import { env, findBackendFactory, setBackend } from '@tensorflow/tfjs-core';
import { currentBackend } from '../common/kernel.js';
import { describe, HadaNormError, InvalidArgumentError } from '../numerics/errors.js';
import { isShared, memoryOf, type WasmBackend } from './instance/backend.js';
import { nodeWorkerThreads } from './threads/spawn.js';

/**
 * tfjs's flag that Node's build sets to false (tfjs issue 3830: its workers do not start there).
 */
const THREADS_FLAG = 'WASM_HAS_MULTITHREAD_SUPPORT';

const OP = 'useThreadedWasm';

/** The part of the package @tensorflow/tfjs-backend-wasm that is needed. */
export interface WasmBackendPackage {
  setThreadsCount(threads: number): void;
}

/**
 * Makes the WASM backend the current one, in its threaded build in Node too, so that {@link
 * setThreads} works there.
 *
 * tfjs keeps to its single-threaded build in Node because its own workers do not start there. Here
 * they do not have to: tfjs gets stand-ins for them and one thread for its own kernels, and this
 * package's workers share its memory. In a page tfjs decides by itself, and this only sets the
 * backend.
 *
 * @param wasm The package @tensorflow/tfjs-backend-wasm, or its `setThreadsCount`.
 * @throws InvalidArgumentError for something else; HadaNormError where the backend cannot be had.
 * @returns Whether the memory is shared. False where the backend was initialized before, without
 * threads.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
 * import { setThreads, useThreadedWasm } from 'tfjs-hadanorm';
 *
 * await useThreadedWasm({ setThreadsCount }); // in place of tf.setBackend('wasm')
 * console.log(await setThreads(2)); // 2
 * ```
 */
export async function useThreadedWasm(wasm: WasmBackendPackage): Promise<boolean> {
  checkPackage(wasm);
  const node = nodeWorkerThreads() as { Worker: unknown } | undefined;
  const made = await (node === undefined ? setBackend('wasm') : setBackendInNode(wasm, node));
  if (!made) {
    const wayOut = "Await tf.setBackend('wasm') says more in the console.";
    throw new HadaNormError(OP, `the WASM backend could not be initialized. ${wayOut}`);
  }
  const memory = memoryOf(currentBackend<WasmBackend>().wasm);
  return memory !== undefined && isShared(memory);
}

function checkPackage(wasm: unknown): void {
  const given = wasm !== null && typeof wasm === 'object' ? wasm : {};
  if (!('setThreadsCount' in given) || typeof given.setThreadsCount !== 'function') {
    const wayOut = "Pass { setThreadsCount } of '@tensorflow/tfjs-backend-wasm'.";
    const wanted = 'the package @tensorflow/tfjs-backend-wasm';
    throw new InvalidArgumentError(OP, 'wasm', wanted, describe(wasm), wayOut);
  }
  if (findBackendFactory('wasm') == null) {
    const wayOut = "Import '@tensorflow/tfjs-backend-wasm' first, from the same tfjs.";
    throw new HadaNormError(OP, `the WASM backend is not registered. ${wayOut}`);
  }
}

/** tfjs's glue code takes Node's Worker, and leaves it behind as a global. */
async function setBackendInNode(
  wasm: WasmBackendPackage,
  node: { Worker: unknown },
): Promise<boolean> {
  const scope = globalThis as { Worker?: unknown };
  const before = { nodes: node.Worker, global: scope.Worker, had: 'Worker' in scope };
  const multithread = await env().getAsync(THREADS_FLAG);
  // one thread: tfjs then starts none, and its stand-ins have nothing to do
  wasm.setThreadsCount(1);
  env().set(THREADS_FLAG, true);
  node.Worker = StandIn;
  try {
    return await setBackend('wasm');
  } finally {
    node.Worker = before.nodes;
    if (before.had) scope.Worker = before.global;
    else delete scope.Worker;
    env().set(THREADS_FLAG, multithread);
  }
}

/** What tfjs takes for a worker that has loaded its module. It is never asked to run anything. */
class StandIn {
  onmessage: (event: { data: object }) => void = () => {};

  on(): void {}
  ref(): void {}
  unref(): void {}
  terminate(): void {}

  postMessage({ cmd }: { cmd?: string }): void {
    // an error instead of a wait without an end
    if (cmd !== 'load') throw new Error(`tfjs-hadanorm: tfjs asked a stand-in worker to ${cmd}.`);
    queueMicrotask(() => this.onmessage({ data: { cmd: 'loaded' } }));
  }
}
