import {
  FLOAT32,
  type GroupedFormat,
  inGroups,
  type UniformFormat,
} from '../../../ops/numerics/formats.js';
import type { Granularity } from '../../../ops/numerics/quantization.js';
import type { QuantizedMatMulAttrs } from '../../../ops/quantizedMatMul/contract.js';
import type { WeightQuantizer } from '../../../src/quantize/uniform.js';

/** Weights in groups along their rows. */
export function weightFormat(bits: number, groupSize: number): GroupedFormat {
  const granularity = { kind: 'perGroup', axis: 0, groupSize } as const;
  return { kind: 'uniform', bits, codes: 'signed', granularity };
}

export function weightQuantizer(
  bits: number,
  groupSize: number,
  clipping: 'search' | 'none',
): WeightQuantizer {
  return { format: weightFormat(bits, groupSize), clipping };
}

/** The format that options of `fakeQuant` name. */
export function activationFormat(
  bits: number,
  symmetric: boolean,
  granularity: Granularity,
): UniformFormat {
  return { kind: 'uniform', bits, codes: symmetric ? 'symmetric' : 'unsigned', granularity };
}

/** The same in groups of a token's channels. */
export function channelGroups(bits: number, symmetric: boolean, groupSize: number): GroupedFormat {
  return inGroups(activationFormat(bits, symmetric, { kind: 'perToken' }), 1, groupSize);
}

/** What a case says of both sides of a product: 32 bits or 0 are float32. */
export interface ProductSides {
  readonly bits: number;
  readonly groupSize: number;
  readonly xBits: number;
  readonly xGroupSize: number;
}

/** The formats of both sides of a product along d. */
export function productFormats(
  { bits, groupSize, xBits, xGroupSize }: ProductSides,
  d: number,
): Pick<QuantizedMatMulAttrs, 'format' | 'xFormat'> {
  return {
    format: bits === 32 ? FLOAT32 : weightFormat(bits, Math.min(groupSize, d)),
    xFormat: xBits === 0 ? FLOAT32 : channelGroups(xBits, false, Math.min(xGroupSize, d)),
  };
}
