import { createRequire } from 'node:module';
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import '../../scripts/provision/nodeUtilShim.js';
import '../../src/index.js';
import { type BackendUnderTest, describeOn } from './onBackends.js';

/** The backends of this process, Node's. In a browser, backends.browser.ts takes this file's place. */
export const backends: readonly BackendUnderTest[] = [
  { name: 'cpu' },
  { name: 'wasm' },
  tensorflowBackend(),
];

/** A describe block per backend, with that backend set. */
export function describeOnBackends(title: string, body: (backend: string) => void): void {
  describeOn(backends, title, body);
}

function tensorflowBackend(): BackendUnderTest {
  const name = 'tensorflow';
  try {
    // the package is CommonJS and may be without its native binding, so it must be allowed to fail
    createRequire(import.meta.url)('@tensorflow/tfjs-node');
    return { name };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { name, missing: `tfjs-node cannot be loaded (${reason}); npm run provision says why` };
  }
}
