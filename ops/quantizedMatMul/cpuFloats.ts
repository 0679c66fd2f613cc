import type { TypedArray } from '@tensorflow/tfjs-core';
import type { GroupedFormat } from '../numerics/formats.js';
import { unpackCodes } from '../numerics/packing.js';
import type { QuantizedMatMulAttrs } from './contract.js';
import type { QuantizedMatMulValues } from './cpuValues.js';

/** Rows of W that are dequantized at a time. */
const PANEL_ROWS = 32;

/** A product with the weights: out [m, n] += x [m, d] W. */
interface Product {
  readonly x: TypedArray;
  readonly out: Float32Array;
}

/** Multiplies by the weights as float32, a few rows of them at a time. */
export function multiplyWeights(
  { codes, scale }: Pick<QuantizedMatMulValues, 'codes' | 'scale'>,
  attrs: QuantizedMatMulAttrs,
  products: readonly Product[],
): void {
  if (products.length === 0) return;
  const { d, n } = attrs;
  const panels = panelReader(codes, scale, attrs);
  for (let row = 0; row < d; row += PANEL_ROWS) {
    const panel = panels(row, Math.min(row + PANEL_ROWS, d));
    const count = Math.min(PANEL_ROWS, d - row);
    for (const { x, out } of products) multiplyPanel(x, panel, row, count, d, n, out);
  }
}

/** W [d, n] on host memory, for backends that multiply faster than loops do. */
export function dequantizeWeights(
  codes: TypedArray,
  scale: TypedArray,
  attrs: QuantizedMatMulAttrs,
): Float32Array {
  const { d, n } = attrs;
  const out = new Float32Array(d * n);
  const panels = panelReader(codes, scale, attrs);
  for (let row = 0; row < d; row += PANEL_ROWS) {
    const end = Math.min(row + PANEL_ROWS, d);
    out.set(panels(row, end).subarray(0, (end - row) * n), row * n);
  }
  return out;
}

/** scale · (code − zero point), in the steps of `fakeQuant`. */
export function dequantizeCodes(
  { x, xScale, xZeroPoint }: Pick<QuantizedMatMulValues, 'x' | 'xScale' | 'xZeroPoint'>,
  { granularity: { groupSize } }: GroupedFormat,
  d: number,
): Float32Array {
  const out = new Float32Array(x.length);
  for (let at = 0, group = 0; at < x.length; group++) {
    const row = Math.floor(at / d) * d;
    const end = Math.min(at + groupSize, row + d);
    const scale = xScale![group]!;
    const zeroPoint = xZeroPoint![group]!;
    for (; at < end; at++) out[at] = (x[at]! - zeroPoint) * scale;
  }
  return out;
}

/**
 * out [m, n] += x[:, row … row + rows] · panel, four rows of the panel at a time: a load and a
 * store of `out` per four products.
 */
export function multiplyPanel(
  x: TypedArray,
  panel: TypedArray,
  row: number,
  rows: number,
  d: number,
  n: number,
  out: Float32Array,
): void {
  for (let i = 0, at = row, o = 0; at < x.length; i++, at += d, o = i * n) {
    let k = 0;
    for (; k + 4 <= rows; k += 4) {
      const a = x[at + k]!;
      const b = x[at + k + 1]!;
      const c = x[at + k + 2]!;
      const e = x[at + k + 3]!;
      const p = k * n;
      for (let j = 0; j < n; j++) {
        out[o + j] =
          out[o + j]! +
          (a * panel[p + j]! +
            b * panel[p + n + j]! +
            c * panel[p + 2 * n + j]! +
            e * panel[p + 3 * n + j]!);
      }
    }
    for (; k < rows; k++) {
      const a = x[at + k]!;
      for (let j = 0; j < n; j++) out[o + j] = out[o + j]! + a * panel[k * n + j]!;
    }
  }
}

/** Rows of W as float32, one panel at a time, in one buffer. */
function panelReader(
  codes: TypedArray,
  scale: TypedArray | null,
  { format, d, n }: QuantizedMatMulAttrs,
): (begin: number, end: number) => Float32Array {
  if (format.kind === 'float32') {
    return (begin, end) => (codes as Float32Array).subarray(begin * n, end * n);
  }
  const { bits, granularity } = format;
  const { groupSize } = granularity;
  const ints = new Int8Array(PANEL_ROWS * n);
  const panel = new Float32Array(PANEL_ROWS * n);
  return (begin, end) => {
    unpackCodes(codes as Uint8Array, d, n, bits, begin, end, ints);
    for (let row = begin, at = 0; row < end; row++) {
      const scales = Math.floor(row / groupSize) * n;
      for (let c = 0; c < n; c++, at++) panel[at] = ints[at]! * scale![scales + c]!;
    }
    return panel;
  };
}
