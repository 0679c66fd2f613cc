import type { BenchSuite } from './harness.js';
import { branchSuite } from './wasmBranch.js';
import { limitSuite } from './wasmLimit.js';
import { linearSuite, overheadSuite } from './wasmLinears.js';
import { memorySuite } from './wasmMemory.js';
import { modelSuite } from './wasmModels.js';
import { threadSuite } from './wasmThreads.js';

/** The WASM kernels against their peers, in Node and in a page. */
export const wasmSuites: readonly BenchSuite[] = [
  linearSuite,
  overheadSuite,
  branchSuite,
  memorySuite,
  modelSuite,
  limitSuite,
  threadSuite,
];
