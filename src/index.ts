import './register.js';

export { type AttentionOptions, scaledDotProductAttention } from '../ops/attention/op.js';
export {
  type ChannelCenterOptions,
  type ChannelCenterResult,
  channelCenter,
} from '../ops/channelCenter/op.js';
export {
  HadamardSizeError,
  HadaNormError,
  InvalidArgumentError,
  UnsupportedDeviceError,
  WasmMemoryError,
  WasmThreadError,
  WebglContextLostError,
} from '../ops/common/errors.js';
export type { Granularity } from '../ops/common/quantization.js';
export type { QuantizedActivations } from '../ops/common/quantizedActivations.js';
export {
  FAKE_QUANT_DEFAULTS,
  type FakeQuantOptions,
  fakeQuant,
  type QuantizationRange,
} from '../ops/fakeQuant/op.js';
export { hadamardRow } from '../ops/hadamardTransform/matrix.js';
export {
  HADAMARD_TRANSFORM_DEFAULTS,
  type HadamardTransformOptions,
  hadamardTransform,
} from '../ops/hadamardTransform/op.js';
export {
  HADANORM_QUANTIZE_DEFAULTS,
  type HadaNormQuantizeOptions,
  type HadaNormQuantizeResult,
  hadaNormQuantize,
  type StaticRange,
} from '../ops/hadaNormQuantize/op.js';
export {
  LAYER_NORM_DEFAULTS,
  type LayerNormOptions,
  modulatedLayerNorm,
} from '../ops/layerNorm/op.js';
export {
  type Activation,
  type PackedWeights,
  QUANTIZED_MATMUL_DEFAULTS,
  type QuantizedMatMulOptions,
  quantizedMatMul,
} from '../ops/quantizedMatMul/op.js';
export { getThreads, setThreads } from '../ops/wasm/threads/setThreads.js';
export { useThreadedWasm, type WasmBackendPackage } from '../ops/wasm/threads/threadedWasm.js';
export {
  type Batch,
  CALIBRATE_DEFAULTS,
  type CalibrateOptions,
  CalibrationAbortedError,
  type CalibrationProgress,
  calibrate,
  calibrationMemory,
  type TimestepOptions,
} from './calibrate/calibrate.js';
export type { KeepOptions, KeptSample, Moments, SiteStats } from './calibrate/siteStats.js';
export { CalibrationStats } from './calibrate/stats.js';
export { fuseGraph } from './fuse/fuseGraph.js';
export {
  type EvaluateOptions,
  evaluateLinears,
  type LinearEvaluation,
} from './metrics/evaluate.js';
export {
  type Recipe,
  type RecipeRule,
  type RecipeTarget,
  recommendRules,
} from './metrics/recipe.js';
export {
  type Histogram,
  type LinearReport,
  type Method,
  type QuantizationReport,
  ROLES,
  type Role,
  type Sqnr,
} from './metrics/report.js';
export { REPORT_HTML_DEFAULTS, type ReportHtmlOptions, reportHtml } from './metrics/reportHtml.js';
export { parseReport, reportJson } from './metrics/reportJson.js';
export {
  REPORT_TABLE_DEFAULTS,
  type ReportTableOptions,
  reportTable,
} from './metrics/reportTable.js';
export {
  type DescribedLinear,
  describeGraph,
  type GraphDescription,
} from './rewrite/describeGraph.js';
export {
  type ActivationOptions,
  type LinearOptions,
  METHODS,
  type Parts,
  REWRITE_DEFAULTS,
  type RewriteOptions,
  type Rule,
  type WeightOptions,
} from './rewrite/options.js';
export {
  RewriteAbortedError,
  type RewriteAsyncOptions,
  type RewriteProgress,
  type RewriteResult,
  rewriteGraph,
  rewriteGraphAsync,
} from './rewrite/rewriteGraph.js';
export { ModelFormatError } from './save/format.js';
export { loadQuantized } from './save/loadQuantized.js';
export { type QuantizedFilesOptions, quantizedFiles, saveQuantized } from './save/saveQuantized.js';
export { type OpSupport, supportMatrix } from './support.js';
