import type { Tensor } from '@tensorflow/tfjs-core';
import type { NodeContract } from '../common/contract.js';
import type { UniformFormat } from '../numerics/formats.js';
import type { Granularity } from '../numerics/quantization.js';
import type { QuantizationRange } from '../numerics/ranges.js';

/** Inputs of the `FakeQuant` kernel. */
export interface FakeQuantInputs {
  readonly x: Tensor; // any shape, float32
}

/** Attributes of the `FakeQuant` kernel, all resolved. */
export interface FakeQuantAttrs {
  readonly format: UniformFormat; // 2 to 16 bits; axis counted from the front
  readonly range: QuantizationRange | null; // null: each group's own minimum and maximum
}

export type { QuantizationRange };

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
  Pick<FakeQuantAttrs, 'format'>
> = {
  kernelName: 'FakeQuant',
  arithmetic: () => 'float',
  supports: ({ format: { bits } }) => (bits >= 2 && bits <= 16 ? null : 'codes have 2 to 16 bits'),
  inputNames: () => ['x'],
  outputShapes: ({ x = null }) => [x],
};
