import type { TypedArray } from '@tensorflow/tfjs-core';
import { type CpuBackend, defineKernel } from '../common/kernel.js';
import { activateNumber } from './activations.js';
import {
  areCodes,
  type QuantizedMatMulAttrs,
  type QuantizedMatMulInputs,
  quantizedMatMulContract,
} from './contract.js';
import { dequantizeCodes, multiplyPanel, multiplyWeights } from './cpuFloats.js';
import { multiplyIntegers } from './cpuIntegers.js';
import type { QuantizedMatMulValues } from './cpuValues.js';

export const quantizedMatMulCpu = defineKernel<
  QuantizedMatMulInputs,
  QuantizedMatMulAttrs,
  CpuBackend
>(quantizedMatMulContract, 'cpu', ({ inputs, attrs, backend }) => {
  const values = valuesOf(inputs, backend);
  const { x, residual, bias } = values;
  const { d, n, xFormat, activation } = attrs;
  const out = new Float32Array((x.length / d) * n);
  const rows = new Float32Array(samplesOf(inputs) * n);
  const integers = areCodes(attrs);
  if (integers) multiplyIntegers(values, attrs, out);
  const floats = xFormat.kind === 'float32' ? x : dequantizeCodes(values, xFormat, d);
  multiplyWeights(values, attrs, [
    ...(integers ? [] : [{ x: floats, out }]),
    ...(residual === null ? [] : [{ x: residual, out: rows }]),
  ]);
  addBasis(values, n, rows);
  addRows(out, rows, bias, n);
  if (activation !== 'none') {
    for (let at = 0; at < out.length; at++) out[at] = activateNumber(out[at]!, activation);
  }
  return backend.makeTensorInfo([...inputs.x.shape.slice(0, -1), n], 'float32', out);
});

function valuesOf(inputs: QuantizedMatMulInputs, backend: CpuBackend): QuantizedMatMulValues {
  const read = (name: keyof QuantizedMatMulInputs) => {
    const tensor = inputs[name];
    return tensor === undefined ? null : backend.readSync(tensor.dataId);
  };
  return {
    x: read('x')!,
    xScale: read('xScale'),
    xZeroPoint: read('xZeroPoint'),
    codes: read('codes')!,
    scale: read('scale'),
    bias: read('bias'),
    residual: read('residual'),
    coefficients: read('coefficients'),
    basis: read('basis'),
    basisScale: read('basisScale'),
    rank: inputs.coefficients?.shape[1] ?? 0,
  };
}

function samplesOf({ x, residual, coefficients }: QuantizedMatMulInputs): number {
  if (residual === undefined && coefficients === undefined) return 1;
  return x.shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
}

/**
 * rows [samples, n] += coefficients · basis; row i of a scaled basis belongs to coefficient i mod
 * rank.
 */
function addBasis(
  { coefficients, basis, basisScale, rank }: QuantizedMatMulValues,
  n: number,
  rows: Float32Array,
): void {
  if (coefficients === null) return;
  const count = basis!.length / n;
  const samples = coefficients.length / rank;
  const factors = new Float32Array(samples * count);
  for (let sample = 0, at = 0; sample < samples; sample++) {
    for (let i = 0; i < count; i++, at++) {
      factors[at] = coefficients[sample * rank + (i % rank)]! * (basisScale?.[i] ?? 1);
    }
  }
  multiplyPanel(factors, basis!, 0, count, count, n, rows);
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
