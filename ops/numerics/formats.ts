import { fromHalfBits, MAX_HALF, MIN_NORMAL_HALF, roundToHalf, toHalfBits } from './half.js';
import { packedBytes } from './packing.js';
import {
  type CodeRange,
  forEachRun,
  type Granularity,
  MAX_VALUE,
  MIN_SCALE,
  type QuantizationLayout,
  quantizationLayout,
  roundHalfToEven,
} from './quantization.js';
import { type GroupRanges, type QuantizationRange, rangesOf, type Values } from './ranges.js';

/**
 * How numbers are stored: all that the quantizer, the kernels and the files know of it. A new
 * format is one more member here, and the compiler then shows what has to know it.
 */
export type Format = UniformFormat | FloatFormat;

/** Integers: real = scale · (code − zeroPoint), a scale for each group of the granularity. */
export interface UniformFormat<G extends Granularity = Granularity> {
  readonly kind: 'uniform';
  /** Bits a code: 2 to 16, of codes that are packed or multiplied 2 to 8. */
  readonly bits: number;
  readonly codes: Codes;
  readonly granularity: G;
}

/**
 * Which integers of b bits are codes.
 * - `unsigned`: 0 … 2^b − 1, and a zero point beside each scale.
 * - `symmetric`: without −2^(b−1), so that −max and max are equally far.
 * - `signed`: −2^(b−1) … 2^(b−1) − 1. A negative scale turns the range around, which uses the end
 *   that has no partner; so weights are stored.
 */
export type Codes = 'unsigned' | 'symmetric' | 'signed';

/** Floating point. */
export type FloatFormat = Float32Format | Float16Format;
export interface Float32Format {
  readonly kind: 'float32';
}
export interface Float16Format {
  readonly kind: 'float16';
}

/** A uniform format whose scales are each for neighbours along one axis, as products need it. */
export type GroupedFormat = UniformFormat<PerGroup>;
export type PerGroup = Extract<Granularity, { kind: 'perGroup' }>;

export const FLOAT32: Float32Format = { kind: 'float32' };
export const FLOAT16: Float16Format = { kind: 'float16' };

export function codeRange({ bits, codes }: UniformFormat): CodeRange {
  switch (codes) {
    case 'unsigned':
      return { qMin: 0, qMax: 2 ** bits - 1 };
    case 'symmetric':
      return { qMin: 1 - 2 ** (bits - 1), qMax: 2 ** (bits - 1) - 1 };
    case 'signed':
      return { qMin: -(2 ** (bits - 1)), qMax: 2 ** (bits - 1) - 1 };
    default:
      return codes satisfies never;
  }
}

/** Whether 0 may have a code other than 0: real = scale · (code − zeroPoint). */
export function hasZeroPoint({ codes }: UniformFormat): boolean {
  return codes === 'unsigned';
}

/** What is added to codes where they are stored without a sign. */
export function codeOffset({ bits, codes }: UniformFormat): number {
  return codes === 'unsigned' ? 0 : 2 ** (bits - 1);
}

/** Whether a code takes so many bits or fewer; floating point does not. */
export function fitsIn(format: Format, bits: number): boolean {
  return format.kind === 'uniform' && format.bits <= bits;
}

/**
 * The format of a matrix by groups along its rows (axis 1) or columns (axis 0) of so many elements;
 * null where what shares a scale does not lie so.
 */
export function groupedAlong(
  format: UniformFormat,
  axis: 0 | 1,
  length: number,
): GroupedFormat | null {
  const groups = (groupSize: number) => inGroups(format, axis, Math.min(groupSize, length));
  const { granularity } = format;
  switch (granularity.kind) {
    case 'perTensor':
      return null;
    case 'perToken':
      return axis === 1 ? groups(length) : null;
    case 'perChannel':
      return granularity.axis === axis ? null : groups(length);
    case 'perGroup':
      return granularity.axis === axis ? groups(granularity.groupSize) : null;
    default:
      return granularity satisfies never;
  }
}

/** The same codes, in groups of so many along an axis of a matrix. */
export function inGroups(format: UniformFormat, axis: 0 | 1, groupSize: number): GroupedFormat {
  return { ...format, granularity: { kind: 'perGroup', axis, groupSize } };
}

/**
 * How each group is quantized: y = scale · clamp(round(x / scale), low, high), low = qMin −
 * zeroPoint and high = qMax − zeroPoint. All NaN where the group has no meaningful range.
 */
export interface QuantizationParameters {
  readonly scale: Float32Array;
  readonly zeroPoint: Float32Array;
  readonly low: Float32Array;
  readonly high: Float32Array;
}

/**
 * Scale and zero point for ranges [lo, hi] that hold 0 (NaN: no meaningful range), in float32
 * steps, so that every backend that divides and multiplies as IEEE 754 wants gets the same codes.
 *
 * Halving before subtracting keeps ranges up to the largest float32 from overflowing; the zero
 * point comes from the ratio lo / (hi − lo) and not from lo / scale, which would turn exact ties
 * into noise.
 */
export function quantizationParameters(
  format: UniformFormat,
  { lo, hi }: GroupRanges,
): QuantizationParameters {
  const f = Math.fround;
  const { qMin, qMax } = codeRange(format);
  const centered = !hasZeroPoint(format);
  const parameters = {
    scale: new Float32Array(lo.length),
    zeroPoint: new Float32Array(lo.length),
    low: new Float32Array(lo.length),
    high: new Float32Array(lo.length),
  };
  for (let g = 0; g < lo.length; g++) {
    const min = lo[g]!;
    const max = hi[g]!;
    const step = centered ? f(Math.max(-min, max) / qMax) : f(f(max / qMax) - f(min / qMax));
    const scale = Math.max(step, MIN_SCALE);
    const halfSpan = Math.max(f(f(0.5 * max) - f(0.5 * min)), MIN_SCALE);
    const zeroPoint = centered ? 0 : roundHalfToEven(f(f(f(-0.5 * min) / halfSpan) * qMax));
    const limit = Math.floor(f(MAX_VALUE / scale));
    parameters.scale[g] = scale;
    parameters.zeroPoint[g] = zeroPoint;
    parameters.low[g] = Math.max(qMin - zeroPoint, -limit);
    parameters.high[g] = Math.min(qMax - zeroPoint, limit);
  }
  return parameters;
}

/**
 * The code nearest to a quotient value / scale, ties to even, within its bounds. These are
 * integers, so clamping first gives the same code and keeps the quotient small enough for rounding
 * by addition.
 */
export function nearestCode(quotient: number, low: number, high: number): number {
  return roundHalfToEven(Math.min(Math.max(quotient, low), high));
}

/** A scale as files store it: half where that is normal, else float32; never 0. */
export function storableScale(scale: number): number {
  const magnitude = Math.abs(scale);
  const half = magnitude >= MIN_NORMAL_HALF && magnitude <= MAX_HALF;
  const stored = half ? fromHalfBits(toHalfBits(scale)) : Math.fround(scale);
  return stored === 0 ? 1 : stored;
}

/**
 * Half for values in its range; float32 where one is beyond it, or where all are so small that the
 * largest of them would lose bits too.
 */
export function halfInRange(values: Float32Array): FloatFormat {
  const beyond = values.some((v) => Math.abs(v) > MAX_HALF);
  const below = values.every((v) => Math.abs(v) < MIN_NORMAL_HALF) && values.some((v) => v !== 0);
  return beyond || below ? FLOAT32 : FLOAT16;
}

/** As `halfInRange`, unless that would cost small numbers their bits. */
export function halfInFull(values: Float32Array): FloatFormat {
  const normal = values.every((v) => v === 0 || Math.abs(v) >= MIN_NORMAL_HALF);
  return normal ? halfInRange(values) : FLOAT32;
}

/** Bytes of a matrix in a file: its numbers, or packed codes with their scales and zero points. */
export function bytesOf(
  format: Format,
  [d, n]: readonly [number, number],
  scales: FloatFormat = FLOAT32,
): number {
  switch (format.kind) {
    case 'float32':
      return 4 * d * n;
    case 'float16':
      return 2 * d * n;
    case 'uniform': {
      const { numGroups } = quantizationLayout(format.granularity, [d, n]);
      const parameters = bytesOf(scales, [numGroups, hasZeroPoint(format) ? 2 : 1]);
      return packedBytes(d, n, format.bits) + parameters;
    }
    default:
      return format satisfies never;
  }
}

/** x as the format gives it back: the nearest numbers, with static or each group's own range. */
export function nearestValues(
  format: Format,
  x: Values,
  shape: readonly number[],
  range: QuantizationRange | null = null,
): Float32Array {
  switch (format.kind) {
    case 'float32':
      return Float32Array.from(x);
    case 'float16':
      return roundToHalf(x);
    case 'uniform': {
      const layout = quantizationLayout(format.granularity, shape);
      const parameters = quantizationParameters(format, rangesOf(x, layout, range));
      return roundGroups(x, layout, parameters);
    }
    default:
      return format satisfies never;
  }
}

function roundGroups(
  x: Values,
  layout: QuantizationLayout,
  { scale, low, high }: QuantizationParameters,
): Float32Array {
  const out = new Float32Array(x.length);
  const run = (start: number, end: number, s: number, least: number, most: number) => {
    for (let at = start; at < end; at++) {
      out[at] = nearestCode(Math.fround(x[at]! / s), least, most) * s;
    }
  };
  forEachRun(layout, (start, end, group, columns) => {
    if (!columns) return run(start, end, scale[group]!, low[group]!, high[group]!);
    for (let at = start, g = group; at < end; at++, g++) {
      out[at] = nearestCode(Math.fround(x[at]! / scale[g]!), low[g]!, high[g]!) * scale[g]!;
    }
  });
  return out;
}
