import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-backend-webgpu';
import '../../src/index.js';
import { type BackendUnderTest, describeOn } from './onBackends.js';

// where test/browser/run.ts serves the package's files
setWasmPaths('/wasm/');

/** The backends of this page. */
export const backends: readonly BackendUnderTest[] = [
  { name: 'cpu' },
  { name: 'wasm' },
  await started('webgl'),
  await started('webgpu'),
];

/** A describe block per backend, with that backend set. */
export function describeOnBackends(title: string, body: (backend: string) => void): void {
  describeOn(backends, title, body);
}

async function started(name: string): Promise<BackendUnderTest> {
  try {
    if (await tf.setBackend(name)) return { name };
  } catch (error) {
    return { name, missing: `this browser has none: ${error}` };
  }
  return { name, missing: 'this browser has none' };
}
