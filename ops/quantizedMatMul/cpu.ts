import type { TypedArray } from '@tensorflow/tfjs-core';
import { type CpuBackend, defineKernel } from '../common/kernel.js';
import { unpackCodes } from '../common/packing.js';
import { type QuantizedMatMulAttrs, type QuantizedMatMulInputs, quantizedMatMulOp } from './op.js';

/** Rows of W that are dequantized at a time. */
const PANEL_ROWS = 32;

export const quantizedMatMulCpu = defineKernel<
  QuantizedMatMulInputs,
  QuantizedMatMulAttrs,
  CpuBackend
>(quantizedMatMulOp.kernelName, 'cpu', ({ inputs, attrs, backend }) => {
  const { d, n } = attrs;
  const read = (tensor: { dataId: object } | undefined) =>
    tensor === undefined ? null : backend.readSync(tensor.dataId);
  const x = read(inputs.x)!;
  const rest = read(inputs.rest);
  const panels = panelReader(read(inputs.codes)!, read(inputs.scale), attrs);
  const out = new Float32Array((x.length / d) * n);
  const rows = new Float32Array(samplesOf(inputs) * n);
  for (let row = 0; row < d; row += PANEL_ROWS) {
    const panel = panels(row, Math.min(row + PANEL_ROWS, d));
    const count = Math.min(PANEL_ROWS, d - row);
    multiplyPanel(x, panel, row, count, d, n, out);
    if (rest !== null) multiplyPanel(rest, panel, row, count, d, n, rows);
  }
  const coefficients = read(inputs.coefficients);
  if (coefficients !== null) {
    const basis = read(inputs.basis)!;
    const rank = basis.length / n;
    multiplyPanel(coefficients, basis, 0, rank, rank, n, rows);
  }
  addRows(out, rows, read(inputs.bias), n);
  return backend.makeTensorInfo([...inputs.x.shape.slice(0, -1), n], 'float32', out);
});

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

function samplesOf({ x, rest, coefficients }: QuantizedMatMulInputs): number {
  if (rest === undefined && coefficients === undefined) return 1;
  return x.shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
}

/** Rows of W as float32, one panel at a time, in one buffer. */
function panelReader(
  codes: TypedArray,
  scale: TypedArray | null,
  { bits, groupSize, d, n }: QuantizedMatMulAttrs,
): (begin: number, end: number) => Float32Array {
  if (bits === 32) return (begin, end) => (codes as Float32Array).subarray(begin * n, end * n);
  const ints = new Int8Array(PANEL_ROWS * n);
  const panel = new Float32Array(PANEL_ROWS * n);
  return (begin, end) => {
    unpackCodes(codes as Uint8Array, d * n, bits, begin * n, end * n, ints);
    for (let row = begin, at = 0; row < end; row++) {
      const scales = Math.floor(row / groupSize) * n;
      for (let c = 0; c < n; c++, at++) panel[at] = ints[at]! * scale![scales + c]!;
    }
    return panel;
  };
}

/** out [m, n] += x[:, row … row + rows] · panel, four rows of the panel at a time: a load and a store of `out` per four products. */
function multiplyPanel(
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

function addRows(out: Float32Array, rows: Float32Array, bias: TypedArray | null, n: number): void {
  const samples = rows.length / n;
  if (bias !== null) {
    for (let at = 0; at < rows.length; at++) rows[at] = rows[at]! + bias[at % n]!;
  }
  const perSample = out.length / samples;
  for (let sample = 0; sample < samples; sample++) {
    const end = (sample + 1) * perSample;
    for (let at = sample * perSample; at < end; at += n) {
      for (let j = 0; j < n; j++) out[at + j] = out[at + j]! + rows[sample * n + j]!;
    }
  }
}
