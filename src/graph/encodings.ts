import { type FloatFormat, halfInFull, halfInRange } from '../../ops/numerics/formats.js';
import { roundToHalf } from '../../ops/numerics/half.js';
import { rangeWithZero } from '../../ops/numerics/ranges.js';
import type { WeightSpec } from './weights.js';

/** Numbers as a file will give them back, and how it stores them. */
export interface Stored {
  readonly values: Float32Array;
  readonly quantization: WeightSpec['quantization'];
}

/** In half precision; in float32 where the range does not fit. */
export function half(values: Float32Array): Stored {
  return inFormat(values, halfInRange(values));
}

/** As `half`, unless that would cost small numbers their bits: scales are divided by. */
export function halfScales(values: Float32Array): Stored {
  return inFormat(values, halfInFull(values));
}

function inFormat(values: Float32Array, { kind }: FloatFormat): Stored {
  switch (kind) {
    case 'float32':
      return { values, quantization: undefined };
    case 'float16':
      return { values: roundToHalf(values), quantization: { dtype: 'float16' } };
    default:
      return kind satisfies never;
  }
}

/**
 * In 8 or 16 bits between the least and the largest value, as tfjs's uint8 and uint16 quantization
 * have it.
 */
export function affine(values: Float32Array, dtype: 'uint8' | 'uint16'): Stored {
  const maximum = dtype === 'uint8' ? 255 : 65535;
  const { min, max } = rangeWithZero(values);
  const scale = max > min ? (max - min) / maximum : 1;
  const code = (v: number) => Math.min(Math.max(Math.round((v - min) / scale), 0), maximum);
  const rounded = Float32Array.from(values, (v) => code(v) * scale + min);
  return { values: rounded, quantization: { dtype, scale, min } };
}

/** Values from −reach to reach in steps of reach / 127, 0 among them, as tfjs's uint8 has it. */
export function signed8(values: Float32Array, reach = 1): Stored {
  const scale = reach / 127;
  const rounded = Float32Array.from(values, (v) => Math.round((v + reach) / scale) * scale - reach);
  return { values: rounded, quantization: { dtype: 'uint8', scale, min: -reach } };
}
