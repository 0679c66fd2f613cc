import {
  add,
  concat,
  div,
  fill,
  floor,
  isNaN as isNaNTensor,
  max,
  maximum,
  min,
  minimum,
  mul,
  neg,
  reshape,
  round,
  slice,
  sub,
  sum,
  type Tensor,
  tensor4d,
  where,
} from '@tensorflow/tfjs-core';
import type { ComposedOp } from '../common/kernel.js';
import { codeRange, hasZeroPoint, type UniformFormat } from '../numerics/formats.js';
import {
  MAX_VALUE,
  MIN_SCALE,
  type QuantizationLayout,
  quantizationLayout,
} from '../numerics/quantization.js';
import {
  type FakeQuantAttrs,
  type FakeQuantInputs,
  fakeQuantContract,
  type QuantizationRange,
} from './contract.js';

/**
 * Low and high end of the range of each group, [outer | 1, groups | 1, 1, inner | 1], both with 0
 * inside.
 */
export type Bounds = readonly [lo: Tensor, hi: Tensor];

/** The op on any backend. */
export const fakeQuantOp: ComposedOp<FakeQuantInputs, FakeQuantAttrs> = {
  contract: fakeQuantContract,
  composite: fakeQuantComposite,
};

/** The op from tfjs ops, in the float32 steps of `quantizationParameters`. */
export function fakeQuantComposite({ x }: FakeQuantInputs, attrs: FakeQuantAttrs): Tensor {
  const dynamic = attrs.range === null;
  return mapGroups(x, attrs, (part, bounds, axes) => {
    const y = quantizeDequantize(part, bounds, attrs);
    // backends differ in what min and max make of NaN, so it is carried around them
    return dynamic ? add(y, sum(sub(part, part), axes, true)) : where(isNaNTensor(part), part, y);
  });
}

/**
 * Cuts x into parts of shape [outer, groups, groupSize, inner], maps each with the ranges of its
 * groups, and puts the results back together. A shorter last group is a part of its own.
 */
export function mapGroups(
  x: Tensor,
  { format, range }: FakeQuantAttrs,
  map: (part: Tensor, bounds: Bounds, groupAxes: number[]) => Tensor,
): Tensor {
  const layout = quantizationLayout(format.granularity, x.shape);
  const { outer, length, inner, groupSize } = layout;
  const whole = Math.floor(length / groupSize);
  const rest = length - whole * groupSize;
  const view = reshape(x, [outer, length, inner]);
  const axes = reducedAxes(layout);
  const given = range === null ? null : staticBounds(range, layout);

  const mapPart = (first: number, groups: number, size: number) => {
    const start: [number, number, number] = [0, first * groupSize, 0];
    const part = rest === 0 ? view : slice(view, start, [outer, groups * size, inner]);
    const grouped = reshape(part, [outer, groups, size, inner]);
    const cut = (bound: Tensor) =>
      bound.shape[1] === 1 ? bound : slice(bound, [0, first, 0, 0], [-1, groups, -1, -1]);
    const bounds: Bounds =
      given === null ? dynamicBounds(grouped, axes) : [cut(given[0]), cut(given[1])];
    return reshape(map(grouped, bounds, axes), [outer, groups * size, inner]);
  };
  const main = mapPart(0, whole, groupSize);
  return reshape(rest === 0 ? main : concat([main, mapPart(whole, 1, rest)], 1), x.shape);
}

/** Codes less their zero point, and what they are worth; tensors that broadcast against x. */
export interface TensorCodes {
  readonly offsets: Tensor; // code − zero point, integers as float32
  readonly scale: Tensor;
  readonly zeroPoint: Tensor | 0; // 0: symmetric
}

/**
 * The float32 steps of `quantizationParameters`, on tensors of one entry per group, then the
 * quantizer itself.
 */
export function quantizeGroups(x: Tensor, [lo, hi]: Bounds, format: UniformFormat): TensorCodes {
  const { qMin, qMax } = codeRange(format);
  const symmetric = !hasZeroPoint(format);
  const step = symmetric ? div(maximum(neg(lo), hi), qMax) : sub(div(hi, qMax), div(lo, qMax));
  const scale = maximum(step, MIN_SCALE);
  const halfSpan = maximum(sub(mul(hi, 0.5), mul(lo, 0.5)), MIN_SCALE);
  const zeroPoint = symmetric ? 0 : round(mul(div(mul(lo, -0.5), halfSpan), qMax));
  const limit = floor(div(MAX_VALUE, scale));
  const low = maximum(sub(qMin, zeroPoint), neg(limit));
  const high = minimum(sub(qMax, zeroPoint), limit);
  return { offsets: minimum(maximum(round(div(x, scale)), low), high), scale, zeroPoint };
}

function quantizeDequantize(x: Tensor, bounds: Bounds, attrs: FakeQuantAttrs): Tensor {
  const { offsets, scale } = quantizeGroups(x, bounds, attrs.format);
  return mul(offsets, scale);
}

/** Minimum and maximum along axes, widened to hold 0. */
export function dynamicBounds(grouped: Tensor, axes: number[]): Bounds {
  return [minimum(min(grouped, axes, true), 0), maximum(max(grouped, axes, true), 0)];
}

function staticBounds(range: QuantizationRange, layout: QuantizationLayout): Bounds {
  const { outer, length, inner, groupSize, outerStride, groupStride, innerStride } = layout;
  const shape: [number, number, number, number] = [
    outerStride > 0 ? outer : 1,
    groupStride > 0 ? Math.ceil(length / groupSize) : 1,
    1,
    innerStride > 0 ? inner : 1,
  ];
  const bound = (value: number | readonly number[]) =>
    typeof value === 'number' ? fill([1, 1, 1, 1], value) : tensor4d([...value], shape);
  return [minimum(bound(range.min), 0), maximum(bound(range.max), 0)];
}

/** The axes of [outer, groups, groupSize, inner] that lie within one group. */
function reducedAxes({ outerStride, groupStride, innerStride }: QuantizationLayout): number[] {
  const within = [outerStride === 0, groupStride === 0, true, innerStride === 0];
  return [0, 1, 2, 3].filter((axis) => within[axis]);
}
