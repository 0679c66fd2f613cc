import '../ops/register/all.js';

export * from './core.js';
export {
  getThreads,
  setThreads,
  useThreadedWasm,
  type WasmBackendPackage,
} from './wasm.js';
export { webgpuReady } from './webgpu.js';
