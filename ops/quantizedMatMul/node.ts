import { tensor2d, tidy } from '@tensorflow/tfjs-core';
import { defineKernel } from '../common/kernel.js';
import { matMulWithRows } from './composite.js';
import { dequantizeWeights } from './cpu.js';
import { type QuantizedMatMulAttrs, type QuantizedMatMulInputs, quantizedMatMulOp } from './op.js';

/** Weights are unpacked on the host, one linear at a time, and multiplied by TensorFlow, which uses every core. */
export const quantizedMatMulNode = defineKernel<
  QuantizedMatMulInputs,
  QuantizedMatMulAttrs,
  unknown
>(quantizedMatMulOp.kernelName, 'tensorflow', ({ inputs, attrs }) =>
  tidy(() => {
    const { codes, scale } = inputs;
    if (attrs.bits === 32) return matMulWithRows(inputs, attrs, codes);
    const weights = dequantizeWeights(codes.dataSync(), scale!.dataSync(), attrs);
    return matMulWithRows(inputs, attrs, tensor2d(weights, [attrs.d, attrs.n]));
  }),
);
