import {
  add,
  backend_util,
  erf,
  mul,
  relu,
  sigmoid,
  type Tensor,
  tanh,
} from '@tensorflow/tfjs-core';
import type { Activation } from './contract.js';

/** √(2/π) and the cubic term of GELU's approximation by tanh (arXiv 1606.08415, §2). */
export const GELU_TANH_SCALE = Math.sqrt(2 / Math.PI);
export const GELU_TANH_CUBIC = 0.044715;

/** The activation from tfjs ops. */
export function activate(y: Tensor, activation: Activation): Tensor {
  switch (activation) {
    case 'none':
      return y;
    case 'gelu':
      return mul(mul(y, 0.5), add(erf(mul(y, Math.SQRT1_2)), 1));
    case 'geluTanh': {
      const cube = mul(mul(mul(y, y), y), GELU_TANH_CUBIC);
      return mul(mul(y, 0.5), add(tanh(mul(add(y, cube), GELU_TANH_SCALE)), 1));
    }
    case 'silu':
      return mul(y, sigmoid(y));
    case 'relu':
      return relu(y);
    default:
      return activation satisfies never;
  }
}

/** The activation of one number, in float64. */
export function activateNumber(y: number, activation: Activation): number {
  switch (activation) {
    case 'none':
      return y;
    case 'gelu':
      return 0.5 * y * (1 + erfNumber(y * Math.SQRT1_2));
    case 'geluTanh':
      return 0.5 * y * (1 + Math.tanh(GELU_TANH_SCALE * (y + GELU_TANH_CUBIC * y ** 3)));
    case 'silu':
      return y / (1 + Math.exp(-y));
    case 'relu':
      return y > 0 || Number.isNaN(y) ? y : 0;
    default:
      return activation satisfies never;
  }
}

/** erf within 1.5e-7: Abramowitz and Stegun, 7.1.26, as tfjs's own backends compute it. */
export function erfNumber(x: number): number {
  const { ERF_P, ERF_A1, ERF_A2, ERF_A3, ERF_A4, ERF_A5 } = backend_util;
  const v = Math.abs(x);
  const t = 1 / (1 + ERF_P * v);
  const sum = ((((ERF_A5 * t + ERF_A4) * t + ERF_A3) * t + ERF_A2) * t + ERF_A1) * t;
  return Math.sign(x) * (1 - sum * Math.exp(-v * v));
}
