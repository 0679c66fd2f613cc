import type { Tensor } from '@tensorflow/tfjs-core';
import type { NodeContract } from '../common/contract.js';
import type { Granularity } from '../numerics/quantization.js';

/** Inputs of the `FakeQuant` kernel. */
export interface FakeQuantInputs {
  readonly x: Tensor; // any shape, float32
}

/** Attributes of the `FakeQuant` kernel, all resolved. */
export interface FakeQuantAttrs {
  readonly bits: number; // 2 to 16
  readonly symmetric: boolean;
  readonly granularity: Granularity; // axis counted from the front
  readonly range: QuantizationRange | null; // null: each group's own minimum and maximum
}

/**
 * A static range: one number for every group, or one entry per group in row-major order. Values
 * outside are clamped. As with a dynamic range, it is widened to hold 0, so that 0 stays exactly 0.
 */
export interface QuantizationRange {
  readonly min: number | readonly number[];
  readonly max: number | readonly number[];
}

/** Options of `fakeQuant`. */
export interface FakeQuantOptions {
  /** Bits per code, 2 to 16. Default 8. */
  bits?: number;
  /**
   * Symmetric codes around 0, zero point 0, without −2^(bits−1). Default false: unsigned codes and
   * a zero point.
   */
  symmetric?: boolean;
  /** Which elements share one scale. Default `{kind: 'perToken'}`: one per row of the last axis. */
  granularity?: Granularity;
  /** A static range. Default: dynamic, each group's own minimum and maximum. */
  range?: QuantizationRange;
}

/** What every kernel of the op, and every graph that has it, agree on. */
export const fakeQuantContract: NodeContract<
  keyof FakeQuantInputs,
  Pick<FakeQuantAttrs, 'bits'>
> = {
  kernelName: 'FakeQuant',
  arithmetic: () => 'float',
  supports: ({ bits }) => (bits >= 2 && bits <= 16 ? null : 'codes have 2 to 16 bits'),
  inputNames: () => ['x'],
  outputShapes: ({ x = null }) => [x],
};
