import { THREADS_FILE, withThreadScript } from './bundlers/threadScript.js';
import { wasmThreads as esbuildPlugin } from './esbuild.js';

/** The part of Vite's plugins that is used; those of Rollup and Rolldown are such too. */
export interface VitePlugin {
  readonly name: string;
  config(this: unknown, config: object): object;
  transform(code: string, id: string): Promise<{ code: string; map: null } | null>;
}

/** What a user's configuration says of workers. */
interface WorkerConfig {
  readonly worker?: { readonly plugins?: () => readonly unknown[]; readonly format?: string };
}

/**
 * Lets the threads of tfjs's WASM backend start in what Vite bundles, in pages and in workers:
 * without it, `await tf.setBackend('wasm')` fails in every build on a cross-origin isolated page.
 * For Vite 5 and later. Workers are bundled as ES modules where nothing else is said.
 *
 * @example
 * ```js
 * // vite.config.js
 * import { wasmThreads } from 'tfjs-hadanorm/vite';
 *
 * export default { plugins: [wasmThreads()] };
 * ```
 */
export function wasmThreads(): VitePlugin {
  const name = 'tfjs-hadanorm: script of WASM threads';
  const transform: VitePlugin['transform'] = async (code, id) => {
    const file = id.replace(/\?.*$/, '');
    if (!THREADS_FILE.test(file)) return null;
    return { code: await withThreadScript(file, code), map: null };
  };
  const inWorker = { name, transform };
  return {
    ...inWorker,
    config(config) {
      // workers are bundled with plugins of their own, and dependencies ahead of a dev server
      const { worker } = config as WorkerConfig;
      const plugins = () => [...(worker?.plugins?.() ?? []), inWorker];
      const optimizeDeps = isRolldown(this)
        ? { rolldownOptions: { plugins: [inWorker] } }
        : { esbuildOptions: { plugins: [esbuildPlugin()] } };
      // before Vite 8, a worker that imports in parts needs it
      const format = worker?.format ?? 'es';
      return { worker: { plugins, format }, optimizeDeps };
    },
  };
}

/** Vite 8 bundles with Rolldown; before that, esbuild bundles dependencies. */
function isRolldown(context: unknown): boolean {
  const { meta } = (context ?? {}) as { meta?: { rolldownVersion?: string } };
  return meta?.rolldownVersion !== undefined;
}
