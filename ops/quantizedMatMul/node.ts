import { type Tensor, tensor, tensor2d, tidy } from '@tensorflow/tfjs-core';
import { noKernel } from '../common/capability.js';
import { withDirections } from '../common/directions.js';
import { defineKernel } from '../common/kernel.js';
import { dequantizedActivations, matMulWithRows } from './composite.js';
import {
  type QuantizedMatMulAttrs,
  type QuantizedMatMulInputs,
  quantizedMatMulContract,
} from './contract.js';
import { dequantizeCodes, dequantizeWeights } from './cpuFloats.js';

/**
 * Weights are unpacked on the host, one linear at a time, and multiplied by TensorFlow, which uses
 * every core.
 */
export const quantizedMatMulNode = withDirections(
  defineKernel<QuantizedMatMulInputs, QuantizedMatMulAttrs, unknown>(
    quantizedMatMulContract,
    'tensorflow',
    ({ inputs, attrs }) =>
      tidy(() => {
        const { codes, scale } = inputs;
        const x = activationsOf(inputs, attrs);
        if (attrs.format.kind === 'float32') return matMulWithRows(inputs, attrs, x, codes);
        const weights = dequantizeWeights(codes.dataSync(), scale!.dataSync(), attrs);
        return matMulWithRows(inputs, attrs, x, tensor2d(weights, [attrs.d, attrs.n]));
      }),
    (form) =>
      form.xFormat.kind === 'float32'
        ? null
        : noKernel(quantizedMatMulContract, 'tensorflow', form),
  ),
);

function activationsOf(inputs: QuantizedMatMulInputs, attrs: QuantizedMatMulAttrs): Tensor {
  const { x, xScale, xZeroPoint } = inputs;
  // TensorFlow takes every byte of a bool for 0 or 1
  const { xFormat, d } = attrs;
  if (xFormat.kind === 'float32' || x.dtype !== 'bool') {
    return dequantizedActivations(inputs, attrs);
  }
  const parts = { x: x.dataSync(), xScale: xScale!.dataSync(), xZeroPoint: xZeroPoint!.dataSync() };
  return tensor(dequantizeCodes(parts, xFormat, d), x.shape);
}
