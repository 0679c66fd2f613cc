/**
 * Which elements share one scale and zero point.
 * - `perTensor`: all of them.
 * - `perChannel`: those with one index along `axis` (default −1, the last).
 * - `perToken`: one row of the last axis.
 * - `perGroup`: `groupSize` neighbours along `axis` (default −1); the last group may be shorter.
 */
export type Granularity =
  | { readonly kind: 'perTensor' }
  | { readonly kind: 'perChannel'; readonly axis?: number }
  | { readonly kind: 'perToken' }
  | { readonly kind: 'perGroup'; readonly axis?: number; readonly groupSize: number };

/**
 * A granularity laid over a shape: x seen as [outer, length, inner], cut into groups of `groupSize`
 * along the middle axis. Element [o, a, i] is in group o·outerStride + ⌊a / groupSize⌋·groupStride
 * + i·innerStride.
 */
export interface QuantizationLayout {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
  readonly groupSize: number;
  readonly outerStride: number;
  readonly groupStride: number;
  readonly innerStride: number;
  readonly numGroups: number;
}

/** The integer codes of a quantizer: real = scale · (code − zeroPoint), code in [qMin, qMax]. */
export interface CodeRange {
  readonly qMin: number;
  readonly qMax: number;
}

/**
 * Scales are at least this, so that a group of zeros has one. It is well above the smallest normal
 * float32, 2^−126: some backends flush what is below that to 0, and all must give the same codes.
 */
export const MIN_SCALE = 2 ** -120;

/** Just below the largest float32: a code whose value would round beyond it is left out. */
export const MAX_VALUE = Math.fround(3.402823e38);

/** Lays a resolved granularity over a shape. */
export function quantizationLayout(
  granularity: Granularity,
  shape: readonly number[],
): QuantizationLayout {
  const size = product(shape);
  switch (granularity.kind) {
    case 'perTensor':
      return layout([1, size, 1], size, [0, 0, 0], 1);
    case 'perToken': {
      const n = shape[shape.length - 1]!;
      return layout([size / n, n, 1], n, [1, 0, 0], size / n);
    }
    case 'perChannel': {
      const [outer, channels, inner] = around(shape, granularity.axis!);
      // channels last: columns of one matrix, so that the kernels still run along rows
      if (inner === 1) return layout([1, outer, channels], outer, [0, 0, 1], channels);
      return layout([outer, channels, inner], 1, [0, 1, 0], channels);
    }
    case 'perGroup': {
      const { axis, groupSize } = granularity;
      const [outer, length, inner] = around(shape, axis!);
      const groups = Math.ceil(length / groupSize) * inner;
      const strides: [number, number, number] = [groups, inner, inner > 1 ? 1 : 0];
      return layout([outer, length, inner], Math.min(groupSize, length), strides, outer * groups);
    }
    default:
      return granularity satisfies never;
  }
}

/**
 * Calls `visit(start, end, group)` for every contiguous run of elements with one group, or, where
 * neighbours are in different groups, for every row of them with `group` the first's (`columns`:
 * element start + i is in group + i).
 */
export function forEachRun(
  { outer, length, inner, groupSize, outerStride, groupStride, innerStride }: QuantizationLayout,
  visit: (start: number, end: number, group: number, columns: boolean) => void,
): void {
  const columns = innerStride > 0;
  for (let o = 0; o < outer; o++) {
    for (let a = 0, g = 0; a < length; a += groupSize, g++) {
      const group = o * outerStride + g * groupStride;
      const end = (o * length + Math.min(a + groupSize, length)) * inner;
      const step = columns ? inner : end;
      for (let at = (o * length + a) * inner; at < end; at += step) {
        visit(at, Math.min(at + step, end), group, columns);
      }
    }
  }
}

/** Nearest integer, ties to even, for |v| < 2^51: adding 1.5·2^52 leaves no bits for a fraction. */
export function roundHalfToEven(v: number): number {
  return v + 6755399441055744 - 6755399441055744;
}

function layout(
  [outer, length, inner]: [number, number, number],
  groupSize: number,
  [outerStride, groupStride, innerStride]: [number, number, number],
  numGroups: number,
): QuantizationLayout {
  return { outer, length, inner, groupSize, outerStride, groupStride, innerStride, numGroups };
}

/** Elements before, along and after an axis. */
function around(shape: readonly number[], axis: number): [number, number, number] {
  return [product(shape.slice(0, axis)), shape[axis]!, product(shape.slice(axis + 1))];
}

function product(shape: readonly number[]): number {
  return shape.reduce((size, dim) => size * dim, 1);
}
