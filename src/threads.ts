export { getThreads, setThreads } from '../ops/wasm/setThreads.js';
export { useThreadedWasm, type WasmBackendPackage } from '../ops/wasm/threadedWasm.js';
