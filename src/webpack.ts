import { THREADS_FILE } from './bundlers/threadScript.js';

/** The part of webpack's compiler that is used. */
export interface WebpackCompiler {
  readonly options: { readonly module: { readonly rules: unknown[] } };
}

/**
 * Lets the threads of tfjs's WASM backend start in what webpack 5 bundles: without it, `await
 * tf.setBackend('wasm')` fails on a cross-origin isolated page.
 *
 * @example
 * ```js
 * // webpack.config.mjs
 * import { wasmThreads } from 'tfjs-hadanorm/webpack';
 *
 * export default { entry: './page.js', plugins: [wasmThreads()] };
 * ```
 */
export function wasmThreads(): { apply(compiler: WebpackCompiler): void } {
  return {
    apply: ({ options }) => {
      options.module.rules.push({ test: THREADS_FILE, loader: 'tfjs-hadanorm/webpack-loader' });
    },
  };
}
