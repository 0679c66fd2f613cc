import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-backend-webgpu';
import '../../../src/index.js';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { BackendUnderTest } from './backends.js';
import { startWasm } from './wasmBuild.js';

await startWasm();

/** What run.ts asks for; undefined for all. */
const asked = new URLSearchParams(location.search).get('backends')?.split(',');

/** The backends of this page. */
export const backends: BackendUnderTest[] = [];
for (const name of ['cpu', 'wasm', 'webgl', 'webgpu']) {
  if (asked === undefined || asked.includes(name)) backends.push(await available(name));
}

async function available(name: string): Promise<BackendUnderTest> {
  // always there; the suites start them
  if (name === 'cpu' || name === 'wasm') return { name };
  try {
    if (await tf.setBackend(name)) {
      if (name === 'webgpu') tellWhenLost(tf.backend() as WebGPUBackend);
      return { name };
    }
  } catch (error) {
    return { name, missing: `this browser has none: ${error}` };
  }
  return { name, missing: 'this browser has none' };
}

/** Software WebGPU dies now and then; what fails afterwards says nothing of the code. */
function tellWhenLost({ device }: WebGPUBackend): void {
  void device.lost.then(({ reason, message }) => {
    if (reason !== 'destroyed') void tellDriver({ kind: 'lost', text: message });
  });
}
