import { createRequire } from 'node:module';
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import '../../../scripts/provision/nodeUtilShim.js';
import '../../../src/index.js';
// not when the backend is chosen: mocha loads what is imported so a second time
import '../../../src/webgpu.js';
import { findDawn } from '../../../scripts/provision/dawn.js';
import { startDawn } from './dawn.js';

/**
 * A backend that the suites run on; `missing` says why it cannot run here, undefined that it can.
 */
export interface BackendUnderTest {
  readonly name: string;
  readonly missing?: string;
  /** What registers it, before its suites; gives the reason where that cannot be. */
  readonly start?: () => Promise<string | undefined>;
}

/**
 * The backends of this process, Node's. In a browser, backends.browser.ts takes this file's place.
 */
export const backends: readonly BackendUnderTest[] = [
  { name: 'cpu' },
  { name: 'wasm' },
  tensorflowBackend(),
  webgpuBackend(),
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

/** Dawn starts where a suite needs it: a module that waits is loaded by mocha a second time. */
function webgpuBackend(): BackendUnderTest {
  const name = 'webgpu';
  const found = findDawn();
  return found.available ? { name, start: startDawn } : { name, missing: found.reason };
}
