import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

/**
 * What tfjs-backend-wasm 4.22 gives the workers of its threaded build: a function's source, as the
 * bundler left it.
 */
const SOURCE = /`var WasmBackendModuleThreadedSimd = ` \+\s*wasmFactoryThreadedSimd\.toString\(\)/;

/**
 * Gives the threads of tfjs's WASM backend their script as it is in its package. The function whose
 * source tfjs takes instead refers to what a bundler puts around it, which is not there in a
 * worker: "ReferenceError: e is not defined".
 */
export function threadedScript(root: string): Plugin {
  const folder = join(root, 'node_modules', '@tensorflow', 'tfjs-backend-wasm', 'wasm-out');
  const script = readFileSync(join(folder, 'tfjs-backend-wasm-threaded-simd.js'), 'utf8');
  return {
    name: 'script of WASM threads',
    transform(code, id) {
      if (!/tfjs-backend-wasm\/dist\/backend_wasm\.js$/.test(id)) return null;
      if (!SOURCE.test(code)) this.error('tfjs-backend-wasm is another one: look at its threads');
      return { code: code.replace(SOURCE, () => JSON.stringify(script)), map: null };
    },
  };
}
