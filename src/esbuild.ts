import { readWithThreadScript, THREADS_FILE } from './bundlers/threadScript.js';

/** The part of esbuild's plugins that is used. */
export interface EsbuildPlugin {
  readonly name: string;
  setup(build: {
    onLoad(
      options: { filter: RegExp },
      load: (args: { path: string }) => Promise<{ contents: string; loader: 'js' }>,
    ): void;
  }): void;
}

/**
 * Lets the threads of tfjs's WASM backend start in what esbuild bundles: without it, `await
 * tf.setBackend('wasm')` fails on a cross-origin isolated page.
 *
 * @example
 * ```js
 * import { build } from 'esbuild';
 * import { wasmThreads } from 'tfjs-hadanorm/esbuild';
 *
 * await build({ entryPoints: ['page.js'], bundle: true, outdir: 'out', plugins: [wasmThreads()] });
 * ```
 */
export function wasmThreads(): EsbuildPlugin {
  return {
    name: 'tfjs-hadanorm: script of WASM threads',
    setup: ({ onLoad }) => {
      onLoad({ filter: THREADS_FILE }, async ({ path }) => ({
        contents: await readWithThreadScript(path),
        loader: 'js',
      }));
    },
  };
}
