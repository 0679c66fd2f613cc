import type { TypedArray } from '@tensorflow/tfjs-core';
import {
  codeRange,
  forEachRun,
  type QuantizationLayout,
  type QuantizationParameters,
  quantizationLayout,
  quantizationParameters,
  roundHalfToEven,
} from '../numerics/quantization.js';
import type { FakeQuantAttrs, QuantizationRange } from './contract.js';

/** The op on host memory. */
export function fakeQuantValues(
  x: TypedArray,
  shape: readonly number[],
  { bits, symmetric, granularity, range }: FakeQuantAttrs,
): Float32Array {
  const layout = quantizationLayout(granularity, shape);
  const codes = codeRange(bits, symmetric);
  const [lo, hi] = range === null ? dynamicRange(x, layout) : staticRange(range, layout.numGroups);
  return quantizeDequantize(x, layout, quantizationParameters(lo, hi, codes, symmetric));
}

/** Minimum and maximum of each group, widened to hold 0; NaN where the group has a NaN or Inf. */
export function dynamicRange(
  x: TypedArray,
  layout: QuantizationLayout,
): [Float32Array, Float32Array] {
  const lo = new Float32Array(layout.numGroups);
  const hi = new Float32Array(layout.numGroups);
  forEachRun(layout, (start, end, group, columns) => {
    if (columns) columnRange(x, start, end, lo, hi, group);
    else runRange(x, start, end, lo, hi, group);
  });
  return [lo, hi];
}

export function runRange(
  x: TypedArray,
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

export function columnRange(
  x: TypedArray,
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

export function staticRange(
  range: QuantizationRange,
  numGroups: number,
): [Float32Array, Float32Array] {
  const { min, max } = range;
  const at = (bound: number | readonly number[], g: number) =>
    typeof bound === 'number' ? bound : bound[g]!;
  return [
    Float32Array.from({ length: numGroups }, (_, g) => Math.min(at(min, g), 0)),
    Float32Array.from({ length: numGroups }, (_, g) => Math.max(at(max, g), 0)),
  ];
}

export function quantizeDequantize(
  x: TypedArray,
  layout: QuantizationLayout,
  { scale, low, high }: QuantizationParameters,
): Float32Array {
  const out = new Float32Array(x.length);
  forEachRun(layout, (start, end, group, columns) => {
    if (columns) {
      for (let at = start, g = group; at < end; at++, g++) {
        out[at] = nearestCode(x[at]!, scale[g]!, low[g]!, high[g]!) * scale[g]!;
      }
    } else {
      quantizeRun(x, out, start, end, scale[group]!, low[group]!, high[group]!);
    }
  });
  return out;
}

export function quantizeRun(
  x: TypedArray,
  out: Float32Array,
  start: number,
  end: number,
  scale: number,
  low: number,
  high: number,
): void {
  for (let at = start; at < end; at++) out[at] = nearestCode(x[at]!, scale, low, high) * scale;
}

/**
 * clamp(round(v / scale), low, high), the code less its zero point. The bounds are integers, so
 * clamping first gives the same code and keeps the quotient small enough for rounding by addition.
 */
export function nearestCode(v: number, scale: number, low: number, high: number): number {
  const quotient = Math.fround(v / scale);
  const clamped = Math.min(Math.max(quotient, low), high);
  return roundHalfToEven(clamped);
}
