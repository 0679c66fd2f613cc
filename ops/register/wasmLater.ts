import './wasmKernels.js';
import { loadWithBackend } from '../common/withBackend.js';
import { provideCode } from '../wasm/instance/code.js';

// a fifth of the package, for those only who choose the backend
loadWithBackend('wasm', async () => provideCode(await import('../wasm/instance/binaries.js')));
