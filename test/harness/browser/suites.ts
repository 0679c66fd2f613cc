/** The ops' case tables, and DiTs that are rewritten, saved and loaded. */
const TABLES: readonly string[] = [
  'test/ops/hadamardTransform/hadamardTransform.test.ts',
  'test/ops/channelCenter/channelCenter.test.ts',
  'test/ops/channelCenter/channelCenter.mask.test.ts',
  'test/ops/fakeQuant/fakeQuant.test.ts',
  'test/ops/quantizedMatMul/quantizedMatMul.test.ts',
  'test/ops/hadaNormQuantize/hadaNormQuantize.test.ts',
  'test/ops/hadaNormQuantize/hadaNormQuantize.mask.test.ts',
  'test/ops/scaledDotProductAttention/scaledDotProductAttention.test.ts',
  'test/ops/modulatedLayerNorm/modulatedLayerNorm.test.ts',
  'test/src/rewrite/everyBackend.test.ts',
  'test/src/rewrite/trained.slow.test.ts',
];

/** The files whose cases a browser runs; what they import must work in a page. */
export const SUITES: readonly string[] = [
  ...TABLES,
  'test/ops/register/backends.test.ts',
  'test/ops/common/capability.test.ts',
  'test/ops/fakeQuant/fakeQuant.edges.test.ts',
  'test/ops/quantizedMatMul/quantizedMatMul.edges.test.ts',
  'test/ops/quantizedMatMul/quantizedMatMul.graph.test.ts',
  'test/ops/quantizedMatMul/quantizedMatMul.codes.test.ts',
  'test/ops/hadaNormQuantize/hadaNormQuantize.edges.test.ts',
  'test/ops/hadaNormQuantize/hadaNormQuantize.graph.test.ts',
  'test/ops/scaledDotProductAttention/scaledDotProductAttention.edges.test.ts',
  'test/src/passes/norms.test.ts',
  'test/src/rewrite/halfRange.test.ts',
  'test/src/rewrite/tokenMasks.test.ts',
  'test/src/calibrate/calibrateMasks.test.ts',
  'test/e2e/graphModel.test.ts',
  'test/e2e/qat.test.ts',
  'test/ops/wasm/wasmBuilds.test.ts',
  'test/ops/wasm/wasmKernels.test.ts',
  'test/ops/quantizedMatMul/wasmProduct.test.ts',
  'test/ops/hadaNormQuantize/wasmQuantize.test.ts',
  'test/ops/quantizedMatMul/wasmActivations.test.ts',
  'test/ops/wasm/wasmRelaxedDot.test.ts',
  'test/ops/wasm/wasmMemory.test.ts',
  'test/ops/wasm/wasmThreads.test.ts',
  'test/ops/wasm/wasmFused.test.ts',
  'test/ops/webgl/webglKernels.test.ts',
  'test/ops/webgl/webglKernelsHalf.test.ts',
  'test/ops/quantizedMatMul/webglProduct.test.ts',
  'test/ops/quantizedMatMul/webglWeights.test.ts',
  'test/ops/webgl/webglHalf.test.ts',
  'test/ops/webgl/webglContext.test.ts',
  'test/ops/webgpu/transposes.test.ts',
  'test/src/lostDevice.test.ts',
  'test/ops/webgpu/webgpuKernels.test.ts',
  'test/models/builder/dit.test.ts',
];

/** What runs once more on each build of tfjs-backend-wasm, in a page of its own. */
export const WASM_SUITES: readonly string[] = [
  'test/harness/browser/wasmBuild.suite.ts',
  ...TABLES,
];
