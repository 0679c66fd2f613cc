/** Runs in the page: the suites for browsers, at the driver's word. */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { webglHadamardSizes } from './hadamardSizes.js';
import type { BenchRow } from './harness.js';
import { setOnnxPaths } from './onnxSession.js';
import { runSuites } from './runSuites.js';
import { wasmSuites } from './wasmSuites.js';
import { adapterName } from './webglBackend.js';
import { webglSuites } from './webglSuites.js';

/** What the driver asks for, see `RunOptions`. */
export interface PageOptions {
  readonly suites: readonly string[];
  readonly text: string;
  readonly rounds?: number;
  readonly warmMs?: number;
}

declare global {
  // what browser.ts exposes to the page
  function benchLog(line: string): Promise<void>;
  function benchRows(rows: readonly BenchRow[]): Promise<void>;
  // what it calls
  var runBench: (options: PageOptions) => Promise<{ adapter: string | null }>;
}

// where browser.ts serves the packages' files
setWasmPaths('/wasm/');
setOnnxPaths('/onnx/');

globalThis.runBench = async (options) => {
  await runSuites([...wasmSuites, ...webglSuites, webglHadamardSizes], {
    ...options,
    log: (line) => void benchLog(line),
    onRows: (rows) => void benchRows(rows),
  });
  return { adapter: adapterName() };
};
