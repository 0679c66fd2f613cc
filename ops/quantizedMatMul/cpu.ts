import type { TensorInfo, TypedArray } from '@tensorflow/tfjs-core';
import { withDirections } from '../common/directions.js';
import { type CpuBackend, defineKernel, type KernelArgs } from '../common/kernel.js';
import { activateNumber } from './activations.js';
import {
  areCodes,
  type QuantizedMatMulAttrs,
  type QuantizedMatMulInputs,
  quantizedMatMulContract,
} from './contract.js';
import { dequantizeCodes, multiplyPanel, multiplyWeights } from './cpuFloats.js';
import { multiplyIntegers } from './cpuIntegers.js';
import type { Factors, QuantizedMatMulValues } from './cpuValues.js';

export const quantizedMatMulCpu = withDirections(
  defineKernel(quantizedMatMulContract, 'cpu', quantizedMatMulOnCpu),
);

function quantizedMatMulOnCpu({
  inputs,
  attrs,
  backend,
}: KernelArgs<QuantizedMatMulInputs, QuantizedMatMulAttrs, CpuBackend>): TensorInfo {
  const values = valuesOf(inputs, backend);
  const { x, residual, bias, means, beside } = values;
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
  addFactors(means, n, rows);
  addFactors(beside, n, out);
  addRows(out, rows, bias, n);
  if (activation !== 'none') {
    for (let at = 0; at < out.length; at++) out[at] = activateNumber(out[at]!, activation);
  }
  return backend.makeTensorInfo([...inputs.x.shape.slice(0, -1), n], 'float32', out);
}

type Name = keyof QuantizedMatMulInputs;

function valuesOf(inputs: QuantizedMatMulInputs, backend: CpuBackend): QuantizedMatMulValues {
  const read = (name: Name) => {
    const tensor = inputs[name];
    return tensor === undefined ? null : backend.readSync(tensor.dataId);
  };
  const factors = (name: Name, rows: Name, scale: Name): Factors | null => {
    const rank = inputs[name]?.shape.at(-1);
    if (rank === undefined) return null;
    return { factors: read(name)!, rows: read(rows)!, scale: read(scale), rank };
  };
  return {
    x: read('x')!,
    xScale: read('xScale'),
    xZeroPoint: read('xZeroPoint'),
    codes: read('codes')!,
    scale: read('scale'),
    bias: read('bias'),
    residual: read('residual'),
    means: factors('coefficients', 'basis', 'basisScale'),
    beside: factors('along', 'directionWeights', 'directionScale'),
  };
}

function samplesOf({ x, residual, coefficients }: QuantizedMatMulInputs): number {
  if (residual === undefined && coefficients === undefined) return 1;
  return x.shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
}

/** out [count, n] += factors · rows. */
function addFactors(given: Factors | null, n: number, out: Float32Array): void {
  if (given === null) return;
  const { factors, rows, scale, rank } = given;
  const k = rows.length / n;
  const count = factors.length / rank;
  const scaled = new Float32Array(count * k);
  for (let row = 0, at = 0; row < count; row++) {
    for (let i = 0; i < k; i++, at++) {
      scaled[at] = factors[row * rank + (i % rank)]! * (scale?.[i] ?? 1);
    }
  }
  multiplyPanel(scaled, rows, 0, k, k, n, out);
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
