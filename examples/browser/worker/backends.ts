import {
  env,
  findBackendFactory,
  ready,
  registerBackend,
  removeBackend,
  setBackend,
} from '@tensorflow/tfjs-core';
import { getThreads, HadaNormError, setThreads } from 'tfjs-hadanorm';
import { isBackendLost } from '../../../ops/common/alive.js';
import { type BackendName, backendTitle } from '../shared/choices.js';

/** More threads than this do not make the page's small models faster. */
const MAX_THREADS = 8;

/**
 * Makes a backend the current one; its code is fetched the first time. One that lost its GPU in an
 * earlier run begins anew.
 *
 * @param base The page's address: `wasm/` beside it holds tfjs's binaries.
 * @returns How it runs, in words.
 * @throws HadaNormError where tfjs cannot start it.
 */
export async function useBackend(name: BackendName, base: string): Promise<string> {
  await fetchBackend(name, base);
  if (isBackendLost(name)) makeAnew(name);
  const title = backendTitle(name);
  if (!(await setBackend(name))) {
    throw new HadaNormError(title, 'tfjs could not start it here. Choose another backend.');
  }
  await ready();
  if (name !== 'wasm') return title;
  const simd = await env().getAsync('WASM_HAS_SIMD_SUPPORT');
  const wanted = crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MAX_THREADS) : 1;
  if (getThreads() !== wanted) await setThreads(wanted);
  const threads = getThreads();
  const how = threads === 1 ? 'one thread' : `${threads} threads`;
  return `${title}${simd ? ' with SIMD' : ''}, ${how}`;
}

function makeAnew(name: BackendName): void {
  const factory = findBackendFactory(name);
  removeBackend(name);
  registerBackend(name, factory);
}

const fetched = new Set<BackendName>();

async function fetchBackend(name: BackendName, base: string): Promise<void> {
  if (fetched.has(name)) return;
  switch (name) {
    case 'wasm': {
      const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
      setWasmPaths(new URL('wasm/', base).href);
      break;
    }
    case 'webgl':
      await import('@tensorflow/tfjs-backend-webgl');
      break;
    case 'webgpu':
      await import('@tensorflow/tfjs-backend-webgpu');
      break;
    case 'cpu':
      await import('@tensorflow/tfjs-backend-cpu');
      break;
    default:
      name satisfies never;
  }
  fetched.add(name);
}
