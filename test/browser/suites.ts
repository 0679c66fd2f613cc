/** The ops' case tables, and DiTs that are rewritten, saved and loaded. */
const TABLES: readonly string[] = [
  'test/ops/hadamardTransform.test.ts',
  'test/ops/channelCenter.test.ts',
  'test/ops/fakeQuant.test.ts',
  'test/ops/quantizedMatMul.test.ts',
  'test/ops/hadaNormQuantize.test.ts',
  'test/ops/scaledDotProductAttention.test.ts',
  'test/ops/modulatedLayerNorm.test.ts',
  'test/rewrite/everyBackend.test.ts',
  'test/rewrite/trained.slow.test.ts',
];

/** The files whose cases a browser runs; what they import must work in a page. */
export const SUITES: readonly string[] = [
  ...TABLES,
  'test/ops/backends.test.ts',
  'test/ops/fakeQuant.edges.test.ts',
  'test/ops/quantizedMatMul.edges.test.ts',
  'test/ops/quantizedMatMul.graph.test.ts',
  'test/ops/quantizedMatMul.codes.test.ts',
  'test/ops/hadaNormQuantize.edges.test.ts',
  'test/ops/hadaNormQuantize.graph.test.ts',
  'test/ops/scaledDotProductAttention.edges.test.ts',
  'test/fuse/norms.test.ts',
  'test/e2e/graphModel.test.ts',
  'test/e2e/qat.test.ts',
  'test/ops/wasmBuilds.test.ts',
  'test/ops/wasmKernels.test.ts',
  'test/ops/wasmProduct.test.ts',
  'test/ops/wasmQuantize.test.ts',
  'test/ops/wasmActivations.test.ts',
  'test/ops/wasmRelaxedDot.test.ts',
  'test/ops/wasmThreads.test.ts',
  'test/ops/wasmFused.test.ts',
  'test/ops/webglKernels.test.ts',
  'test/ops/webglKernelsHalf.test.ts',
  'test/ops/webglProduct.test.ts',
  'test/ops/webglWeights.test.ts',
  'test/ops/webglHalf.test.ts',
  'test/ops/webglContext.test.ts',
  'test/models/dit.test.ts',
];

/** The builds of tfjs-backend-wasm. */
export const WASM_BUILDS = ['plain', 'simd', 'threaded'] as const;
export type WasmBuild = (typeof WASM_BUILDS)[number];

/** What runs once more on each build of tfjs-backend-wasm, in a page of its own. */
export const WASM_SUITES: readonly string[] = ['test/browser/wasmBuild.suite.ts', ...TABLES];
