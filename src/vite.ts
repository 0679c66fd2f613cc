import { THREADS_FILE, withThreadScript } from './bundlers/threadScript.js';
import { wasmThreads as esbuildPlugin } from './esbuild.js';

/** The part of Vite's plugins that is used; those of Rollup and Rolldown are such too. */
export interface VitePlugin {
  readonly name: string;
  config(this: unknown, config: object): object;
  transform(code: string, id: string): Promise<{ code: string; map: null } | null>;
}

/**
 * Lets the threads of tfjs's WASM backend start in what Vite bundles, in pages and in workers:
 * without it, `await tf.setBackend('wasm')` fails in every build on a cross-origin isolated page.
 * For Vite 5 and later.
 *
 * @example
 * ```js
 * // vite.config.js
 * import { wasmThreads } from 'tfjs-hadanorm/vite';
 *
 * export default {
 *   plugins: [wasmThreads()],
 *   worker: { format: 'es' },
 * };
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
      const { worker } = config as { worker?: { plugins?: () => readonly unknown[] } };
      const plugins = () => [...(worker?.plugins?.() ?? []), inWorker];
      const optimizeDeps = isRolldown(this)
        ? { rolldownOptions: { plugins: [inWorker] } }
        : { esbuildOptions: { plugins: [esbuildPlugin()] } };
      return { worker: { plugins }, optimizeDeps };
    },
  };
}

/** Vite 8 bundles with Rolldown; before that, esbuild bundles dependencies. */
function isRolldown(context: unknown): boolean {
  const { meta } = (context ?? {}) as { meta?: { rolldownVersion?: string } };
  return meta?.rolldownVersion !== undefined;
}
