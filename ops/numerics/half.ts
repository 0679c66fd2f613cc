import type { HalfBits } from './bytes.js';
import { roundHalfToEven } from './quantization.js';

// IEEE 754 half precision, for weights that tfjs stores as `float16`

/** Magnitudes in [2^−14, 65504] keep 11 significant bits; below, they lose them one by one. */
export const MIN_NORMAL_HALF = 2 ** -14;
export const MAX_HALF = 65504;

/** 2^−24 to 2^6: how far apart halves are, by their exponent from −14 on. */
const STEPS = Float64Array.from({ length: 31 }, (_, i) => 2 ** (i - 24));

const double = new DataView(new ArrayBuffer(8));

/** ⌊log2 v⌋ of a finite v ≥ 2^−1022, much faster than by a logarithm; less than −1022 below. */
function exponentOf(v: number): number {
  double.setFloat64(0, v);
  return ((double.getUint32(0) >>> 20) & 0x7ff) - 1023;
}

/** The bits of the nearest half, ties to even; NaN is 0x7e00. */
export function toHalfBits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  // below the normal range halves are 2^−24 apart; above, the exponent says how far
  const exponent = Math.max(exponentOf(magnitude), -14);
  const step = STEPS[exponent + 14]!;
  const mantissa = roundHalfToEven(magnitude / step);
  // a mantissa that rounds up to 2048 carries into the exponent by itself
  return sign | (((exponent + 14) << 10) + mantissa);
}

/** The bits of the nearest halves. A NaN that came from a half keeps its sign and payload. */
export function halfBitsOf(values: ArrayLike<number>): HalfBits {
  // a number cannot tell one NaN from another, its bits can
  const floats = values instanceof Float32Array ? values : Float32Array.from(values);
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  // a loop: `from` with a function makes a list of numbers first
  const halves = new Uint16Array(floats.length);
  for (let i = 0; i < halves.length; i++) {
    const v = floats[i]!;
    halves[i] = Number.isNaN(v) ? nanBits(bits[i]!) : toHalfBits(v);
  }
  return halves;
}

/** The number that 16 bits stand for. */
export function fromHalfBits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * STEPS[exponent - 1]!;
}

/** Values as they come back from a file that stores them in half precision. */
export function roundToHalf(values: ArrayLike<number>): Float32Array {
  return Float32Array.from(values, (value) => fromHalfBits(toHalfBits(value)));
}

function nanBits(float: number): number {
  const payload = (float >>> 13) & 0x3ff;
  return ((float >>> 16) & 0x8000) | 0x7c00 | (payload === 0 ? 0x200 : payload);
}

/**
 * The half-precision bits of a value; undefined where half precision would round it, and for NaN.
 */
export function exactHalfBits(value: number): number | undefined {
  const bits = toHalfBits(value);
  return fromHalfBits(bits) === value ? bits : undefined;
}
