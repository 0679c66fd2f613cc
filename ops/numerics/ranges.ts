import { forEachRun, type QuantizationLayout } from './quantization.js';

/** Numbers on host memory. */
export type Values = Float32Array | Int32Array | Uint8Array;

/**
 * A static range: one number for every group, or one entry per group in row-major order. Values
 * outside are clamped. As with a dynamic range, it is widened to hold 0, so that 0 stays exactly 0.
 */
export interface QuantizationRange {
  readonly min: number | readonly number[];
  readonly max: number | readonly number[];
}

/** The range of each group, with 0 inside; NaN where a group has none. */
export interface GroupRanges {
  readonly lo: Float32Array;
  readonly hi: Float32Array;
}

/** The given ranges, or for null each group's own minimum and maximum. */
export function rangesOf(
  x: Values,
  layout: QuantizationLayout,
  range: QuantizationRange | null,
): GroupRanges {
  return range === null ? dynamicRanges(x, layout) : staticRanges(range, layout.numGroups);
}

/** Minimum and maximum of each group, widened to hold 0; NaN where the group has a NaN or Inf. */
function dynamicRanges(x: Values, layout: QuantizationLayout): GroupRanges {
  const lo = new Float32Array(layout.numGroups);
  const hi = new Float32Array(layout.numGroups);
  forEachRun(layout, (start, end, group, columns) => {
    if (columns) columnRange(x, start, end, lo, hi, group);
    else runRange(x, start, end, lo, hi, group);
  });
  return { lo, hi };
}

function staticRanges({ min, max }: QuantizationRange, numGroups: number): GroupRanges {
  const at = (bound: number | readonly number[], g: number) =>
    typeof bound === 'number' ? bound : bound[g]!;
  return {
    lo: Float32Array.from({ length: numGroups }, (_, g) => Math.min(at(min, g), 0)),
    hi: Float32Array.from({ length: numGroups }, (_, g) => Math.max(at(max, g), 0)),
  };
}

/** The least and the largest of numbers, widened to hold 0; NaN is passed over. */
export function rangeWithZero(values: ArrayLike<number>): { min: number; max: number } {
  let min = 0;
  let max = 0;
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  return { min, max };
}

function runRange(
  x: Values,
  start: number,
  end: number,
  lo: Float32Array,
  hi: Float32Array,
  group: number,
): void {
  let low = lo[group]!;
  let high = hi[group]!;
  let poison = 0;
  for (let at = start; at < end; at++) {
    const v = x[at]!;
    if (v < low) low = v;
    if (v > high) high = v;
    poison += v - v; // NaN for NaN and ±Inf, which comparisons would let pass
  }
  lo[group] = low + poison;
  hi[group] = high + poison;
}

function columnRange(
  x: Values,
  start: number,
  end: number,
  lo: Float32Array,
  hi: Float32Array,
  group: number,
): void {
  for (let at = start, g = group; at < end; at++, g++) {
    const v = x[at]!;
    const poison = v - v;
    const low = lo[g]!;
    const high = hi[g]!;
    lo[g] = Math.min(v, low) + poison;
    hi[g] = Math.max(v, high) + poison;
  }
}
