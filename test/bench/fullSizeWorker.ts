/** Runs in a worker of the page: what holds up whoever runs it. */

import { serve } from '../../src/worker.js';

serve(async () => {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  setWasmPaths('/wasm/');
  await import('../../src/wasm.js');
});
