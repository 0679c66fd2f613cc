import { unpackCodes } from '../numerics/packing.js';
import type { CodesAttrs } from './contract.js';
import type { QuantizedMatMulValues } from './cpuValues.js';

/** Rows whose products of 9 by 8 bits add up to less than 2^31. */
const MAX_RUN = 2 ** 15;

/**
 * out [m, n] += x W in integers: exact sums over the rows that share both scales, scaled once each.
 * Σ scale_x (code − zeroPoint) · scale_w q = scale_x scale_w Σ (code − zeroPoint) q.
 */
export function multiplyIntegers(
  { x, xScale, xZeroPoint, codes, scale }: QuantizedMatMulValues,
  { format, xFormat, d, n }: CodesAttrs,
  out: Float32Array,
): void {
  const { groupSize } = format.granularity;
  const { groupSize: xGroupSize } = xFormat.granularity;
  const groups = Math.ceil(d / xGroupSize);
  const width = Math.min(groupSize, xGroupSize, d, MAX_RUN);
  const panel = new Int8Array(width * n);
  const offsets = new Int16Array(width);
  const sums = new Int32Array(n);
  for (let begin = 0, end = 0; begin < d; begin = end) {
    end = Math.min(d, after(begin, groupSize), after(begin, xGroupSize), begin + MAX_RUN);
    unpackCodes(codes as Uint8Array, d, n, format.bits, begin, end, panel);
    const scales = Math.floor(begin / groupSize) * n;
    let group = Math.floor(begin / xGroupSize);
    for (let at = begin, o = 0; at < x.length; at += d, o += n, group += groups) {
      const zeroPoint = xZeroPoint![group]!;
      for (let k = 0; k < end - begin; k++) offsets[k] = x[at + k]! - zeroPoint;
      sumRows(offsets, panel, end - begin, n, sums);
      const factor = xScale![group]!;
      for (let j = 0; j < n; j++) {
        out[o + j] = out[o + j]! + sums[j]! * (factor * scale![scales + j]!);
      }
    }
  }
}

/** The first row after `row` that begins a group. */
function after(row: number, groupSize: number): number {
  return (Math.floor(row / groupSize) + 1) * groupSize;
}

/** sums [n] = offsets [rows] · panel [rows, n], four rows at a time as in `multiplyPanel`. */
function sumRows(
  offsets: Int16Array,
  panel: Int8Array,
  rows: number,
  n: number,
  sums: Int32Array,
): void {
  sums.fill(0);
  let k = 0;
  for (; k + 4 <= rows; k += 4) {
    const a = offsets[k]!;
    const b = offsets[k + 1]!;
    const c = offsets[k + 2]!;
    const e = offsets[k + 3]!;
    const p = k * n;
    for (let j = 0; j < n; j++) {
      sums[j] =
        (sums[j]! +
          a * panel[p + j]! +
          b * panel[p + n + j]! +
          c * panel[p + 2 * n + j]! +
          e * panel[p + 3 * n + j]!) |
        0;
    }
  }
  for (; k < rows; k++) {
    const a = offsets[k]!;
    for (let j = 0; j < n; j++) sums[j] = (sums[j]! + a * panel[k * n + j]!) | 0;
  }
}
