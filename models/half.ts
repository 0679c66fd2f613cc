/** The float32 value of IEEE 754 half-precision bits. Exact. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The half-precision bits of a value; undefined where half precision would round it, and for NaN. */
export function floatToHalf(value: number): number | undefined {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  // the power of two of the last bit that half precision keeps
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = size * 2 ** (10 - exponent);
  if (!Number.isInteger(steps) || exponent > 15) return undefined;
  const bits = steps < 1024 ? steps : ((exponent + 15) << 10) + (steps - 1024);
  return bits < 0x7c00 && halfToFloat(bits) === size ? sign | bits : undefined;
}
