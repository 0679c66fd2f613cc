/** Which build of tfjs-backend-wasm this page runs. */
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { setThreads } from '../../../src/index.js';
import { WASM_BUILDS, type WasmBuild } from './wasmBuildNames.js';

/**
 * Threads of tfjs's kernels and of the plugin's on the threaded build: more than one, however small
 * the machine.
 */
export const THREADS = 2;

/** The build that the page's address names, undefined where tfjs chooses. */
export function askedBuild(): WasmBuild | undefined {
  const name = new URLSearchParams(location.search).get('wasm');
  return WASM_BUILDS.find((build) => build === name);
}

/**
 * Says where run.ts serves the builds and, where one is asked for, starts the WASM backend in it.
 */
export async function startWasm(): Promise<void> {
  setWasmPaths('/wasm/');
  const build = askedBuild();
  if (build === undefined) return;
  if (build === 'plain') tf.env().set('WASM_HAS_SIMD_SUPPORT', false);
  if (build !== 'threaded') tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  // tfjs takes half the cores, whatever setThreadsCount says
  else Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 * THREADS });
  // tfjs goes on with another backend when this one does not start
  if (!(await tf.setBackend('wasm'))) throw new Error(`the ${build} build does not start`);
  if (build === 'threaded') await setThreads(THREADS);
}
