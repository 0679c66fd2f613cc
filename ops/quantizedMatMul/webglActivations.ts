import { backend_util } from '@tensorflow/tfjs-core';
import { GELU_TANH_CUBIC, GELU_TANH_SCALE } from './activations.js';
import type { Activation } from './contract.js';

/** GLSL: `float activate(float y)`, in tfjs's steps. */
export function activationGlsl(activation: Activation): string {
  return `
    float activate(float y) {
      ${bodyOf(activation)}
    }`;
}

function bodyOf(activation: Activation): string {
  switch (activation) {
    case 'none':
      return 'return y;';
    case 'gelu': {
      const { ERF_P, ERF_A1, ERF_A2, ERF_A3, ERF_A4, ERF_A5 } = backend_util;
      const inner = `(${ERF_A5} * t + ${ERF_A4}) * t + ${ERF_A3}`;
      return `
      float x = abs(y * ${Math.SQRT1_2});
      float t = 1. / (1. + ${ERF_P} * x);
      float sum = (((${inner}) * t + ${ERF_A2}) * t + ${ERF_A1}) * t;
      float erf = 1. - sum * exp(-x * x);
      return .5 * y * (1. + (y < 0. ? -erf : erf));`;
    }
    case 'geluTanh':
      // exp of what is at most 0: it cannot overflow
      return `
      float x = ${GELU_TANH_SCALE} * (y + ${GELU_TANH_CUBIC} * y * y * y);
      float e = exp(-2. * abs(x));
      float tanhOfX = (1. - e) / (1. + e);
      return .5 * y * (1. + (x < 0. ? -tanhOfX : tanhOfX));`;
    case 'silu':
      return 'return y / (1. + exp(-y));';
    case 'relu':
      // NaN is not less than 0
      return 'return y < 0. ? 0. : y;';
    default:
      return activation satisfies never;
  }
}
