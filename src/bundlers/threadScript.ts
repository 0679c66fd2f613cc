import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The file of tfjs-backend-wasm 4.22 that starts its threads, as bundlers find it. */
export const THREADS_FILE = /[\\/]tfjs-backend-wasm[\\/]dist[\\/]backend_wasm\.js$/;

/** What it gives them to run: the source of a function, as the bundler left it. */
const SOURCE = /`var WasmBackendModuleThreadedSimd = ` \+\s*wasmFactoryThreadedSimd\.toString\(\)/;

const SCRIPT = join('wasm-out', 'tfjs-backend-wasm-threaded-simd.js');

/**
 * The code of `THREADS_FILE` with the script of its threads as it is in the package, in place of
 * that function's source: the function refers to what a bundler puts around it, which is not there
 * in a worker ("ReferenceError: e is not defined"), and tfjs then waits for its threads without an
 * end.
 *
 * @throws Error where it looks otherwise, as in another version of tfjs.
 */
export async function withThreadScript(file: string, code: string): Promise<string> {
  if (!SOURCE.test(code)) {
    const problem = `${file} starts its threads in another way than tfjs 4.22's does`;
    throw new Error(`tfjs-hadanorm: ${problem}. Leave the plugin out, or use tfjs 4.22.`);
  }
  const script = await readFile(join(dirname(file), '..', SCRIPT), 'utf8');
  return code.replace(SOURCE, () => JSON.stringify(script));
}

/** As `withThreadScript`, for who has not read the file. */
export async function readWithThreadScript(file: string): Promise<string> {
  return withThreadScript(file, await readFile(file, 'utf8'));
}
