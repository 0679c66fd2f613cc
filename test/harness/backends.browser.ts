import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-backend-webgpu';
import '../../src/index.js';
import type { BackendUnderTest } from './backends.js';

// where test/browser/run.ts serves the package's files
setWasmPaths('/wasm/');

/** The backends of this page. */
export const backends: readonly BackendUnderTest[] = [
  { name: 'cpu' },
  { name: 'wasm' },
  await started('webgl'),
  await started('webgpu'),
];

async function started(name: string): Promise<BackendUnderTest> {
  try {
    if (await tf.setBackend(name)) return { name };
  } catch (error) {
    return { name, missing: `this browser has none: ${error}` };
  }
  return { name, missing: 'this browser has none' };
}
