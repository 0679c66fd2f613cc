import { type Rank, Tensor } from '@tensorflow/tfjs-core';
import {
  type ChannelCenterOptions,
  type ChannelCenterResult,
  channelCenter,
  type FakeQuantOptions,
  fakeQuant,
  type HadamardTransformOptions,
  hadamardTransform,
} from './index.js';

// the module that declares the class: an interface merges only there (tfjs's own chained ops do the
// same)
declare module '@tensorflow/tfjs-core/dist/tensor.js' {
  interface Tensor<R extends Rank = Rank> {
    /** See `hadamardTransform`. */
    hadamardTransform<T extends Tensor>(this: T, options?: HadamardTransformOptions): T;
    /** See `channelCenter`. */
    channelCenter(options?: ChannelCenterOptions): ChannelCenterResult;
    /** See `fakeQuant`. */
    fakeQuant<T extends Tensor>(this: T, options?: FakeQuantOptions): T;
  }
}

Tensor.prototype.hadamardTransform = function <T extends Tensor>(
  this: T,
  options?: HadamardTransformOptions,
): T {
  return hadamardTransform<T>(this, options);
};

Tensor.prototype.channelCenter = function (options?: ChannelCenterOptions): ChannelCenterResult {
  return channelCenter(this, options);
};

Tensor.prototype.fakeQuant = function <T extends Tensor>(this: T, options?: FakeQuantOptions): T {
  return fakeQuant<T>(this, options);
};
