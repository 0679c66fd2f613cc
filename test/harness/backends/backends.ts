import { createRequire } from 'node:module';
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import '../../../scripts/provision/nodeUtilShim.js';
import '../../../src/index.js';

/**
 * A backend that the suites run on; `missing` says why it cannot run here, undefined that it can.
 */
export interface BackendUnderTest {
  readonly name: string;
  readonly missing?: string;
}

/**
 * The backends of this process, Node's. In a browser, backends.browser.ts takes this file's place.
 */
export const backends: readonly BackendUnderTest[] = [
  { name: 'cpu' },
  { name: 'wasm' },
  tensorflowBackend(),
];

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
