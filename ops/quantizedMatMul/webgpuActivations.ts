import { backend_util } from '@tensorflow/tfjs-core';
import { FINITE_WGSL, wgslFloat } from '../webgpu/wgsl.js';
import { GELU_TANH_CUBIC, GELU_TANH_SCALE } from './activations.js';
import type { Activation } from './contract.js';

/** WGSL: `fn activate(y: f32) -> f32`, in tfjs's steps. */
export function activationWgsl(activation: Activation): string {
  return `${FINITE_WGSL}
fn activate(y: f32) -> f32 {
  ${bodyOf(activation)}
}`;
}

function bodyOf(activation: Activation): string {
  switch (activation) {
    case 'none':
      return 'return y;';
    case 'gelu': {
      const { ERF_P, ERF_A1, ERF_A2, ERF_A3, ERF_A4, ERF_A5 } = backend_util;
      const [p, a1, a2, a3, a4, a5] = [ERF_P, ERF_A1, ERF_A2, ERF_A3, ERF_A4, ERF_A5].map(
        wgslFloat,
      );
      return `
  let x = abs(y * ${wgslFloat(Math.SQRT1_2)});
  let t = 1f / (1f + ${p} * x);
  let sum = ((((${a5} * t + ${a4}) * t + ${a3}) * t + ${a2}) * t + ${a1}) * t;
  let erf = 1f - sum * exp(-x * x);
  return 0.5f * y * (1f + select(erf, -erf, y < 0f));`;
    }
    case 'geluTanh':
      // exp of what is at most 0: it cannot overflow
      return `
  let x = ${wgslFloat(GELU_TANH_SCALE)} * (y + ${wgslFloat(GELU_TANH_CUBIC)} * y * y * y);
  let e = exp(-2f * abs(x));
  let tanhOfX = (1f - e) / (1f + e);
  return 0.5f * y * (1f + select(tanhOfX, -tanhOfX, x < 0f));`;
    case 'silu':
      return 'return y / (1f + exp(-y));';
    case 'relu':
      // by the bits: devices make a maximum of a comparison, which loses NaN
      return 'return select(max(y, 0f), y, isNan1(y));';
    default:
      return activation satisfies never;
  }
}
