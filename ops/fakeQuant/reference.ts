import type { Granularity } from '../numerics/quantization.js';

/** What the quantizer did to each element and group, float64. */
export interface FakeQuantReference {
  values: Float64Array;
  codes: Float64Array;
  /** x / scale before rounding: where this is near a tie, float32 may fall on the other side. */
  quotients: Float64Array;
  /**
   * The zero point before rounding, per element: the same holds for it, and shows in codes at the
   * ends.
   */
  zeroPoints: Float64Array;
  /** Whether the code is at an end of its range. */
  clamped: boolean[];
  scale: Float64Array; // per element
  range: { min: number[]; max: number[] }; // of each group, in row-major order, 0 included
  ends: { min: Float64Array; max: Float64Array }; // the same per element
}

/**
 * The op in float64, element by element from its definition; groups are found by index arithmetic.
 */
export function fakeQuantReference(
  x: ArrayLike<number>,
  shape: readonly number[],
  options: {
    bits: number;
    symmetric: boolean;
    granularity: Granularity;
    range?: { min: number | readonly number[]; max: number | readonly number[] };
  },
): FakeQuantReference {
  const { bits, symmetric, granularity, range } = options;
  const keys = Array.from(x, (_, i) => groupKey(unravel(i, shape), granularity));
  const groups = new Map<string, number[]>();
  keys.forEach((key, i) => {
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [i]);
    else members.push(i);
  });
  const out: FakeQuantReference = {
    values: new Float64Array(x.length),
    codes: new Float64Array(x.length),
    quotients: new Float64Array(x.length),
    zeroPoints: new Float64Array(x.length),
    clamped: [],
    scale: new Float64Array(x.length),
    range: { min: [], max: [] },
    ends: { min: new Float64Array(x.length), max: new Float64Array(x.length) },
  };
  // a Map keeps insertion order, which is the row-major order of the groups
  [...groups.values()].forEach((members, g) => {
    const at = (bound: number | readonly number[]) =>
      typeof bound === 'number' ? bound : bound[g]!;
    const inGroup = members.map((i) => x[i]!);
    const lo = Math.min(0, range === undefined ? minOf(inGroup) : at(range.min));
    const hi = Math.max(0, range === undefined ? maxOf(inGroup) : at(range.max));
    out.range.min.push(lo);
    out.range.max.push(hi);
    const poisoned = range === undefined && !inGroup.every(Number.isFinite);
    const { scale, exactZeroPoint, qMin, qMax } = parameters(lo, hi, bits, symmetric);
    const zeroPoint = roundTiesToEven(exactZeroPoint);
    const limit = Math.floor(3.402823e38 / scale);
    const low = Math.max(qMin, zeroPoint - limit);
    const high = Math.min(qMax, zeroPoint + limit);
    for (const i of members) {
      const quotient = x[i]! / scale;
      const code = Math.min(Math.max(roundTiesToEven(quotient) + zeroPoint, low), high);
      out.quotients[i] = quotient;
      out.zeroPoints[i] = exactZeroPoint;
      out.clamped[i] = code === low || code === high;
      out.ends.min[i] = lo;
      out.ends.max[i] = hi;
      out.codes[i] = poisoned ? Number.NaN : code;
      out.scale[i] = scale;
      out.values[i] = poisoned ? Number.NaN : (code - zeroPoint) * scale;
    }
  });
  return out;
}

function parameters(lo: number, hi: number, bits: number, symmetric: boolean) {
  const smallest = 2 ** -120;
  if (symmetric) {
    const qMax = 2 ** (bits - 1) - 1;
    const scale = Math.max(Math.max(-lo, hi) / qMax, smallest);
    return { scale, exactZeroPoint: 0, qMin: -qMax, qMax };
  }
  const qMax = 2 ** bits - 1;
  const scale = Math.max((hi - lo) / qMax, smallest);
  const exactZeroPoint = (-lo / Math.max(hi - lo, smallest)) * qMax;
  return { scale, exactZeroPoint, qMin: 0, qMax };
}

function groupKey(index: readonly number[], granularity: Granularity): string {
  const axis = (asked: number | undefined) => ((asked ?? -1) + index.length) % index.length;
  switch (granularity.kind) {
    case 'perTensor':
      return '';
    case 'perToken':
      return index.slice(0, -1).join();
    case 'perChannel':
      return `${index[axis(granularity.axis)]}`;
    case 'perGroup': {
      const along = axis(granularity.axis);
      return index
        .map((i, dim) => (dim === along ? Math.floor(i / granularity.groupSize) : i))
        .join();
    }
    default:
      return granularity satisfies never;
  }
}

function unravel(flat: number, shape: readonly number[]): number[] {
  let rest = flat;
  return shape
    .map((_, dim) => shape[shape.length - 1 - dim]!)
    .map((size) => {
      const i = rest % size;
      rest = (rest - i) / size;
      return i;
    })
    .reverse();
}

function roundTiesToEven(v: number): number {
  const floor = Math.floor(v);
  const fraction = v - floor;
  if (fraction !== 0.5) return fraction < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function minOf(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}

function maxOf(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
}
