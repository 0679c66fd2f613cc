import type { Tensor } from '@tensorflow/tfjs-core';
import type { NodeContract } from '../common/contract.js';
import { findHadamardPlan } from '../numerics/hadamard.js';

/** Inputs of the `HadamardTransform` kernel. */
export interface HadamardTransformInputs {
  readonly x: Tensor; // [..., n], float32
}

/** Attributes of the `HadamardTransform` kernel, all resolved. */
export interface HadamardTransformAttrs {
  readonly transpose: boolean;
  readonly blockSize: number; // divides n
}

/** Options of `hadamardTransform`. */
export interface HadamardTransformOptions {
  /** Multiply by Hᵀ (the inverse) instead of H. Default false. */
  transpose?: boolean;
  /**
   * Elements that one matrix mixes: H = I ⊗ H_blockSize. Must divide n. Default n, the whole last
   * axis.
   */
  blockSize?: number;
}

/** What every kernel of the op, and every graph that has it, agree on. */
export const hadamardTransformContract: NodeContract<
  keyof HadamardTransformInputs,
  Pick<HadamardTransformAttrs, 'blockSize'>
> = {
  kernelName: 'HadamardTransform',
  arithmetic: () => 'float',
  supports: ({ blockSize }) =>
    findHadamardPlan(blockSize) === null
      ? `there is no Hadamard matrix of size ${blockSize}`
      : null,
  inputNames: () => ['x'],
  outputShapes: ({ x = null }) => [x],
};
