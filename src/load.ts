import './register.js';

export { CheckpointError } from './load/base/errors.js';
export {
  type LoadCheckpointOptions,
  type LoadProgress,
  loadCheckpoint,
} from './load/loadCheckpoint.js';
export { type QuantizeCheckpointOptions, quantizeCheckpoint } from './load/quantizeCheckpoint.js';
export type { ByteFile, ByteFiles } from './load/source/byteFiles.js';
export type { CheckpointSource } from './load/source/open.js';
