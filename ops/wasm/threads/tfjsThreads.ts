import type { KernelBackend } from '@tensorflow/tfjs-core';
import { type BackendFactory, wrapFactory } from '../../common/withBackend.js';
import { HadaNormError } from '../../numerics/errors.js';

/**
 * Has the WASM backend say when tfjs's own threads cannot start, instead of waiting for them for
 * ever: a bundler that renames what their script refers to, or a page's policy, kills each before
 * it answers. `await tf.setBackend('wasm')` then gives false, with the reason in the console.
 */
export function watchTfjsThreads(): void {
  const { crossOriginIsolated, document, Worker } = globalThis as Partial<typeof globalThis>;
  // in Node tfjs starts no threads, and elsewhere it does only on isolated pages
  const starts = crossOriginIsolated === true && Worker !== undefined;
  if (!starts || (document === undefined && !('WorkerGlobalScope' in globalThis))) return;
  wrapFactory('wasm', (factory) => () => whileWatched(Worker, factory));
}

/** Runs the factory, and rejects as soon as one of its workers fails before it is through. */
function whileWatched(Original: typeof Worker, factory: BackendFactory): Promise<KernelBackend> {
  return new Promise<KernelBackend>((resolve, reject) => {
    class Watched extends Original {
      constructor(...given: ConstructorParameters<typeof Worker>) {
        super(...given);
        this.addEventListener('error', ({ message }) => reject(broken(message)));
      }
    }
    globalThis.Worker = Watched;
    Promise.resolve()
      .then(factory)
      .then(resolve, reject)
      .finally(() => {
        if (globalThis.Worker === Watched) globalThis.Worker = Original;
      });
  });
}

function broken(message: string | undefined): HadaNormError {
  const said = message ? ` (${message})` : '';
  const cause = `tfjs's threads do not start${said}: a bundler changed their script`;
  const plugin = "add wasmThreads() of 'tfjs-hadanorm/vite', '/webpack' or '/esbuild'";
  const without = "tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false)";
  const wayOut = `To mend it, ${plugin} to its configuration. To do without: ${without}.`;
  return new HadaNormError('wasm', `${cause}. ${wayOut}`);
}
