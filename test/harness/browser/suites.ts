import type { WasmBuild } from '../backends/wasmBuildNames.js';

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

/**
 * The files whose cases a browser runs; what they import must work in a page. Kernels of WASM
 * within their tensors are for Nodes: the same binaries, in the same engine.
 */
const SUITES: readonly string[] = [
  ...TABLES,
  'test/ops/register/backends.test.ts',
  'test/ops/common/capability.test.ts',
  'test/ops/fakeQuant/fakeQuant.edges.test.ts',
  'test/ops/quantizedMatMul/quantizedMatMul.edges.test.ts',
  'test/ops/quantizedMatMul/quantizedMatMul.graph.test.ts',
  'test/ops/quantizedMatMul/quantizedMatMul.codes.test.ts',
  'test/ops/hadaNormQuantize/hadaNormQuantize.edges.test.ts',
  'test/ops/hadaNormQuantize/hadaNormQuantize.directions.test.ts',
  'test/ops/quantizedMatMul/quantizedMatMul.directions.test.ts',
  'test/ops/hadaNormQuantize/hadaNormQuantize.graph.test.ts',
  'test/ops/scaledDotProductAttention/scaledDotProductAttention.edges.test.ts',
  'test/src/passes/norms.test.ts',
  'test/src/rewrite/halfRange.test.ts',
  'test/src/rewrite/embeddings.test.ts',
  'test/src/evaluate/selfCheck.test.ts',
  'test/src/save/opfs.test.ts',
  'test/src/rewrite/tokenMasks.test.ts',
  'test/src/calibrate/calibrateMasks.test.ts',
  'test/e2e/graphModel.test.ts',
  'test/e2e/qat.test.ts',
  'test/ops/wasm/wasmBuilds.test.ts',
  'test/ops/wasm/wasmRelaxedDot.test.ts',
  'test/ops/wasm/wasmMemory.test.ts',
  'test/ops/wasm/wasmThreads.test.ts',
  'test/ops/webgl/webglKernels.test.ts',
  'test/ops/webgl/webglKernelsHalf.test.ts',
  'test/ops/webgl/webglDirections.test.ts',
  'test/ops/quantizedMatMul/webglProduct.test.ts',
  'test/ops/quantizedMatMul/webglWeights.test.ts',
  'test/ops/webgl/webglHalf.test.ts',
  'test/ops/webgl/webglContext.test.ts',
  'test/ops/webgpu/transposes.test.ts',
  'test/ops/webgpu/quickPrograms.test.ts',
  'test/ops/webgpu/residuals.test.ts',
  'test/ops/webgpu/split.test.ts',
  'test/src/plan/plan.test.ts',
  'test/src/plan/planned.test.ts',
  'test/ops/webgpu/guide.test.ts',
  'test/src/lostDevice.test.ts',
  'test/src/readsLater.test.ts',
  'test/ops/webgpu/webgpuKernels.test.ts',
  'test/ops/webgpu/webgpuDirections.test.ts',
  'test/models/builder/dit.test.ts',
  'test/src/load/published.webgl.test.ts',
  'test/src/rewrite/converted.webgl.test.ts',
];

const THIS_PAGE = 'test/harness/browser/wasmBuild.suite.ts';

/** What a page holds: by the build of tfjs-backend-wasm that it runs, or of all other backends. */
export type Script = 'all' | 'cpu' | WasmBuild;

/**
 * The files of each page. The cpu backend and the build 'simd' are the same in Nodes, which run all
 * on them: here only that they do.
 */
export const SCRIPTS: Readonly<Record<Script, readonly string[]>> = {
  all: SUITES,
  cpu: ['test/ops/register/backends.test.ts', 'test/src/rewrite/everyBackend.test.ts'],
  plain: [THIS_PAGE, ...TABLES],
  simd: [THIS_PAGE, 'test/src/rewrite/everyBackend.test.ts', 'test/e2e/graphModel.test.ts'],
  threaded: [THIS_PAGE, ...SUITES],
};
