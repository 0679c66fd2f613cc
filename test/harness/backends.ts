import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import '../../scripts/provision/nodeUtilShim.js';
import '../../src/index.js';

/** A backend that the suites run on; `missing` says why it cannot run here, undefined that it can. */
export interface BackendUnderTest {
  readonly name: string;
  readonly missing?: string;
}

/** The backends of this process, Node's. Those of a browser are run there. */
export const backends: readonly BackendUnderTest[] = [
  { name: 'cpu' },
  { name: 'wasm' },
  tensorflowBackend(),
];

/** A describe block per backend, with that backend set; where it is missing, one skipped test that says why. */
export function describeOnBackends(title: string, body: (backend: string) => void): void {
  for (const { name, missing } of backends) {
    describe(`${title} on ${name}`, () => {
      if (missing !== undefined) {
        it.skip(`SKIPPED: ${missing}`);
        return;
      }
      before(async () => {
        await tf.setBackend(name);
        await tf.ready();
      });
      body(name);
    });
  }
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
