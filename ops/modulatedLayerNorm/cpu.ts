import type { TypedArray } from '@tensorflow/tfjs-core';
import { type CpuBackend, defineKernel } from '../common/kernel.js';
import {
  type LayerNormAttrs,
  type LayerNormInputs,
  layerNormContract,
  rowsPerModulation,
} from './contract.js';

export const layerNormCpu = defineKernel<LayerNormInputs, LayerNormAttrs, CpuBackend>(
  layerNormContract,
  'cpu',
  ({ inputs, attrs, backend }) => {
    const { x, gamma, beta, factor, shift } = inputs;
    const d = x.shape[x.shape.length - 1]!;
    const read = (tensor: { dataId: object } | undefined) =>
      tensor === undefined ? null : backend.readSync(tensor.dataId);
    const out = normalized(read(x)!, d, attrs);
    applyRows(out, d, read(gamma), read(beta), out.length / d, out.length / d);
    const perFactor = rowsPerModulation(x, factor);
    applyRows(out, d, read(factor), read(shift), perFactor, rowsPerModulation(x, shift));
    return backend.makeTensorInfo(x.shape, 'float32', out);
  },
);

/** (x − μ) / sqrt(σ² + ε), row by row. */
function normalized(
  x: TypedArray,
  d: number,
  { epsilon, center }: LayerNormAttrs,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(x.length);
  for (let row = 0; row < x.length; row += d) {
    let mean = 0;
    if (center) {
      for (let c = 0; c < d; c++) mean += x[row + c]!;
      mean /= d;
    }
    let squares = 0;
    for (let c = 0; c < d; c++) squares += (x[row + c]! - mean) ** 2;
    const inverse = 1 / Math.sqrt(squares / d + epsilon);
    for (let c = 0; c < d; c++) out[row + c] = (x[row + c]! - mean) * inverse;
  }
  return out;
}

/** y · factor + shift in place; so many rows of y share a row of either. */
function applyRows(
  y: Float32Array,
  d: number,
  factor: TypedArray | null,
  shift: TypedArray | null,
  perFactor: number,
  perShift: number,
): void {
  const rows = y.length / d;
  for (let row = 0; row < rows; row++) {
    const f = Math.floor(row / perFactor) * d;
    const s = Math.floor(row / perShift) * d;
    const at = row * d;
    if (factor !== null) for (let c = 0; c < d; c++) y[at + c] = y[at + c]! * factor[f + c]!;
    if (shift !== null) for (let c = 0; c < d; c++) y[at + c] = y[at + c]! + shift[s + c]!;
  }
}
