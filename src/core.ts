import './register.js';

export type { ChannelCenterOptions, ChannelCenterResult } from '../ops/channelCenter/contract.js';
export { channelCenter } from '../ops/channelCenter/op.js';
export type { Progress, Stage, WatchOptions } from '../ops/common/progress.js';
export type { QuantizedActivations } from '../ops/common/quantizedActivations.js';
export type { FakeQuantOptions, QuantizationRange } from '../ops/fakeQuant/contract.js';
export { FAKE_QUANT_DEFAULTS, fakeQuant } from '../ops/fakeQuant/op.js';
export type { HadamardTransformOptions } from '../ops/hadamardTransform/contract.js';
export { hadamardRow } from '../ops/hadamardTransform/matrix.js';
export { HADAMARD_TRANSFORM_DEFAULTS, hadamardTransform } from '../ops/hadamardTransform/op.js';
export type {
  HadaNormQuantizeOptions,
  HadaNormQuantizeResult,
  StaticRange,
} from '../ops/hadaNormQuantize/contract.js';
export { HADANORM_QUANTIZE_DEFAULTS } from '../ops/hadaNormQuantize/contract.js';
export { hadaNormQuantize } from '../ops/hadaNormQuantize/op.js';
export type { LayerNormOptions } from '../ops/modulatedLayerNorm/contract.js';
export { LAYER_NORM_DEFAULTS, modulatedLayerNorm } from '../ops/modulatedLayerNorm/op.js';
export {
  AbortedError,
  HadamardSizeError,
  HadaNormError,
  InvalidArgumentError,
  NotRecordableError,
  UnsupportedDeviceError,
  WasmMemoryError,
  WasmThreadError,
  WebglContextLostError,
  WebgpuDeviceLostError,
} from '../ops/numerics/errors.js';
export type { Granularity } from '../ops/numerics/quantization.js';
export type {
  Activation,
  PackedWeights,
  QuantizedMatMulOptions,
} from '../ops/quantizedMatMul/contract.js';
export { QUANTIZED_MATMUL_DEFAULTS, quantizedMatMul } from '../ops/quantizedMatMul/op.js';
export type { AttentionOptions } from '../ops/scaledDotProductAttention/contract.js';
export { scaledDotProductAttention } from '../ops/scaledDotProductAttention/op.js';
export {
  type Batch,
  CalibrationAbortedError,
  calibrate,
  calibrationMemory,
} from './calibrate/calibrate.js';
export {
  CALIBRATE_DEFAULTS,
  type CalibrateOptions,
  type CalibrationProgress,
  type TimestepOptions,
} from './calibrate/settings.js';
export type {
  KeepOptions,
  KeptSample,
  Moments,
  OriginalSums,
  SiteStats,
} from './calibrate/siteStats.js';
export { CalibrationStats } from './calibrate/stats.js';
export {
  CALIBRATION,
  calibrateOnTrajectories,
  collectTrajectory,
  type TrajectoryCalibrationOptions,
  type TrajectoryRecipe,
} from './diffusion/calibration.js';
export type { DitInputs, VelocityModel } from './diffusion/model.js';
export {
  type DrawOptions,
  type SampleOptions,
  type SampleProgress,
  SOLVERS,
  type Solver,
  type TrajectoryOptions,
} from './diffusion/options.js';
export { sample, trajectory } from './diffusion/sampler.js';
export type { ScheduleCalibrationOptions } from './diffusion/scheduleCalibration.js';
export {
  type EvaluateOptions,
  evaluateLinears,
  type LinearEvaluation,
} from './evaluate/evaluateLinears.js';
export {
  type CheckedLayer,
  SELF_CHECK_DEFAULTS,
  SelfCheckError,
  type SelfCheckOptions,
  selfCheck,
} from './evaluate/selfCheck.js';
export { fuseGraph, fuseGraphAsync } from './passes/fuseGraph.js';
export type { RecordedPlan } from './plan/recordedPlan.js';
export type { BranchKind } from './quantize/branch.js';
export type { Histogram, MeasuredWay, Sqnr, Treatment } from './quantize/measured.js';
export { METHODS, type Method, type Parts } from './quantize/methods.js';
export {
  type DescribedLinear,
  describeGraph,
  type GraphDescription,
} from './recognize/describeGraph.js';
export type { OtherProduct } from './recognize/otherProducts.js';
export { ROLES, type Role } from './recognize/role.js';
export type { TokenMaskOption, TokenMaskRule } from './recognize/tokenMaskOption.js';
export { plan } from './recordPlan.js';
export {
  type Recipe,
  type RecipeRule,
  type RecipeTarget,
  recommendRules,
} from './report/recipe.js';
export type { EmbeddingReport, LinearReport, QuantizationReport } from './report/report.js';
export { parseReport, reportJson } from './report/reportJson.js';
export { NothingToQuantizeError } from './rewrite/nothingToQuantize.js';
export {
  type ActivationOptions,
  type LinearOptions,
  REWRITE_DEFAULTS,
  type RewriteOptions,
  type Rule,
  type WeightOptions,
} from './rewrite/options.js';
export { PRESETS, type Preset, type PresetName } from './rewrite/presets.js';
export {
  QUANTIZE_DEFAULTS,
  type QuantizeOptions,
  type QuantizeResult,
  quantize,
} from './rewrite/quantize.js';
export {
  RewriteAbortedError,
  type RewriteAsyncOptions,
  type RewriteProgress,
  type RewriteResult,
  rewriteGraph,
  rewriteGraphAsync,
} from './rewrite/rewriteGraph.js';
export { sequentialMemory } from './rewrite/sequentialMemory.js';
export { ModelFormatError, ModelLoadError } from './save/format.js';
export { type LoadQuantizedOptions, loadQuantized } from './save/loadQuantized.js';
export { type QuantizedFilesOptions, quantizedFiles, saveQuantized } from './save/saveQuantized.js';
export { type OpSupport, supportMatrix } from './support.js';
export { TraceError } from './trace/base/errors.js';
export type { EagerFunction, ExampleInputs, LayersModelLike } from './trace/calls.js';
export type { AnyModel } from './trace/given.js';
export {
  TO_GRAPH_MODEL_DEFAULTS,
  type ToGraphModelOptions,
  toGraphModel,
} from './trace/toGraphModel.js';
