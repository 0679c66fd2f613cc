import './register.js';

export {
  type DenoiseOptions,
  type DenoiseStepsOptions,
  type DenoisingModel,
  denoise,
  denoiseSteps,
} from './diffusion/denoise.js';
export {
  NOISE_SCHEDULE_DEFAULTS,
  type NoiseScheduleOptions,
  noiseSchedule,
} from './diffusion/schedules/noiseSchedule.js';
export type { Evaluation, Schedule } from './diffusion/schedules/schedule.js';
export { CheckpointError } from './load/base/errors.js';
export {
  type LoadCheckpointOptions,
  type LoadProgress,
  loadCheckpoint,
} from './load/loadCheckpoint.js';
export {
  type CheckpointBatches,
  type CheckpointCalibration,
  type QuantizeCheckpointOptions,
  quantizeCheckpoint,
} from './load/quantizeCheckpoint.js';
export type { ByteFile, ByteFiles } from './load/source/byteFiles.js';
export type { CheckpointSource } from './load/source/open.js';
export { type OpfsHandler, type OpfsOptions, opfs } from './save/opfs.js';
