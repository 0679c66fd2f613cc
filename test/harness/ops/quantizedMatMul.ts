import * as tf from '@tensorflow/tfjs';
import { packCodes } from '../../../ops/numerics/packing.js';
import type { PackedWeights } from '../../../src/index.js';
import { normal, uniform } from '../numbers/random.js';

/** The sizes of a small `quantizedMatMul`. */
export const [D, N, BITS, GROUP, SAMPLES, TOKENS, RANK] = [10, 6, 5, 4, 2, 3, 2];
const next = uniform(77);
const CODES = Int8Array.from({ length: D * N }, () => Math.floor((next() - 0.5) * 2 ** BITS));
/** Its packed codes. */
export const BYTES = packCodes(CODES, D, N, BITS);
/** The shapes of its parts. */
export const SHAPES = {
  x: [SAMPLES, TOKENS, D],
  scale: [3, N],
  bias: [N],
  residual: [SAMPLES, D],
  coefficients: [SAMPLES, RANK],
  basis: [RANK, N],
} as const;

/** The values of a part: the same at every call. */
export function values(name: keyof typeof SHAPES): Float32Array {
  const size = SHAPES[name].reduce((product: number, dim) => product * dim, 1);
  return normal(size, name.length + size);
}

/** A part as a tensor. */
export function tensor(name: keyof typeof SHAPES): tf.Tensor {
  return tf.tensor(values(name), [...SHAPES[name]]);
}

/** Packed weights, as new tensors. */
export function packed(): PackedWeights {
  const codes = tf.tensor1d(BYTES, 'bool');
  return { codes, scale: tensor('scale'), bits: BITS, groupSize: GROUP, shape: [D, N] };
}

/** Packed weights, or float32 ones where bits is 32. */
export function weights(bits: number): PackedWeights {
  if (bits !== 32) return packed();
  const codes = tf.tensor2d(normal(D * N, 9), [D, N]);
  return { codes, bits, groupSize: D, shape: [D, N] };
}
