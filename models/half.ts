import { fromHalfBits, toHalfBits } from '../src/graph/half.js';

/** The float32 value of IEEE 754 half-precision bits. Exact. */
export const halfToFloat = fromHalfBits;

/** The half-precision bits of a value; undefined where half precision would round it, and for NaN. */
export function floatToHalf(value: number): number | undefined {
  const bits = toHalfBits(value);
  return fromHalfBits(bits) === value ? bits : undefined;
}
