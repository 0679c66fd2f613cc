import type { Tensor } from '@tensorflow/tfjs-core';

/**
 * Activations as codes: real = scale · (code − zeroPoint). What `hadaNormQuantize` makes and
 * `quantizedMatMul` takes.
 */
export interface QuantizedActivations {
  /**
   * [..., tokens, d], 0 … 2^bits − 1. int32; or bool, which keeps a byte an element, on backends
   * with own kernels.
   */
  readonly codes: Tensor;
  /**
   * float32 [..., tokens, groups], groups = ⌈d / groupSize⌉. NaN for a group without a meaningful
   * scale.
   */
  readonly scale: Tensor;
  /** float32 integers, the shape of `scale`. */
  readonly zeroPoint: Tensor;
  /** Bits a code, 2 to 8. */
  readonly bits: number;
  /**
   * Neighbours along d that share a scale: d where a token has one. The last group may be shorter.
   */
  readonly groupSize: number;
}
