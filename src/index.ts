import './register.js';

export {
  type ChannelCenterOptions,
  type ChannelCenterResult,
  channelCenter,
} from '../ops/channelCenter/op.js';
export { HadamardSizeError, HadaNormError, InvalidArgumentError } from '../ops/common/errors.js';
export type { Granularity } from '../ops/common/quantization.js';
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
export { type OpSupport, supportMatrix } from './support.js';
