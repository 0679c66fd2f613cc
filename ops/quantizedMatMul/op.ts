import { Tensor, type TensorLike, tidy, zeros } from '@tensorflow/tfjs-core';
import { checkInteger, checkOptions, toFloatTensor } from '../common/checks.js';
import { describe, InvalidArgumentError } from '../common/errors.js';
import { type OpContract, runOp } from '../common/kernel.js';
import { packedBytes } from '../common/packing.js';
import { quantizedMatMulComposite } from './composite.js';

/** Inputs of the `QuantizedMatMul` kernel. */
export interface QuantizedMatMulInputs {
  readonly x: Tensor; // [..., tokens, d], float32
  readonly codes: Tensor; // bool [bytes]: packed codes, one byte an element; or float32 [d, n] where bits is 32
  readonly scale?: Tensor | undefined; // [groups, n]; absent where bits is 32
  readonly bias?: Tensor | undefined; // [n]
  readonly rest?: Tensor | undefined; // [samples, d]
  readonly coefficients?: Tensor | undefined; // [samples, r]
  readonly basis?: Tensor | undefined; // [r, n]
}

/** Attributes of the `QuantizedMatMul` kernel. */
export interface QuantizedMatMulAttrs {
  readonly bits: number; // 2 to 8, or 32 for float32 weights
  readonly groupSize: number; // rows of W that share a scale; the last group may be shorter
  readonly d: number;
  readonly n: number;
}

/** Weights of a `quantizedMatMul`. */
export interface PackedWeights {
  /** Packed codes, a byte an element (dtype bool: the one byte-sized dtype of tfjs); float32 [d, n] where bits is 32. */
  readonly codes: Tensor;
  /** float32 [groups, n], groups = ⌈d / groupSize⌉; none where bits is 32. */
  readonly scale?: Tensor | undefined;
  /** Bits a code, 2 to 8; 32 for weights that are not quantized. */
  readonly bits: number;
  /** Neighbours along d that share a scale. */
  readonly groupSize: number;
  /** The shape of the matrix. */
  readonly shape: readonly [d: number, n: number];
}

/** Options of `quantizedMatMul`. */
export interface QuantizedMatMulOptions {
  /** float32 [n], added to every token. */
  bias?: Tensor;
  /** float32 [samples, d]: a row per sample that goes through the weights and is added to its tokens' results. */
  rest?: Tensor;
  /** float32 [samples, r], with `basis`: their product is added to the results of the sample's tokens. */
  coefficients?: Tensor;
  /** float32 [r, n]. */
  basis?: Tensor;
}

/** The contract that every backend's kernel fulfils. */
export const quantizedMatMulOp: OpContract<QuantizedMatMulInputs, QuantizedMatMulAttrs> = {
  kernelName: 'QuantizedMatMul',
  composite: quantizedMatMulComposite,
};

/**
 * Multiplies by packed low-bit weights: y = x W + (rest W + coefficients · basis) + bias, W = scale · code.
 *
 * The bracket is one row per sample, added to each of its tokens: the mean that HadaNorm took out of x. Everything before
 * the last two axes of x is a sample. For inference: it has no gradient.
 *
 * @param x float32, [..., tokens, d], rank ≥ 2; a tensor, or numbers that make one.
 * @returns float32, [..., tokens, n].
 * @throws InvalidArgumentError for a wrong dtype, shape, bits or group size.
 * Source: HadaNorm, arXiv 2506.09932, §3 (the mean's product is added back); layout of the codes: ops/common/packing.ts.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { quantizedMatMul } from 'tfjs-hadanorm';
 *
 * // codes −8 … 7 are stored as 0 … 15; the first half of them in the low bits: 1, −1 | 2, 0 → 9, 7 | 10, 8
 * const codes = tf.tensor1d(Uint8Array.of(9 + 16 * 10, 7 + 16 * 8), 'bool');
 * const weights = { codes, scale: tf.tensor2d([[0.5, 2]]), bits: 4, groupSize: 2, shape: [2, 2] } as const;
 * quantizedMatMul(tf.tensor2d([[1, 10]]), weights).print(); // [[10.5, -2]]: x [[0.5, -2], [1, 0]]
 * ```
 */
export function quantizedMatMul(
  x: Tensor | TensorLike,
  weights: PackedWeights,
  options: QuantizedMatMulOptions = {},
): Tensor {
  const op = quantizedMatMulOp.kernelName;
  checkOptions(op, options, ['bias', 'rest', 'coefficients', 'basis']);
  checkOptions(op, weights, ['codes', 'scale', 'bits', 'groupSize', 'shape'], 'weights');
  checkWeights(op, weights);
  const { codes, scale, bits, groupSize, shape } = weights;
  const [d, n] = shape;
  return tidy('quantizedMatMul', () => {
    const input = toFloatTensor(op, 'x', x);
    if (input.rank < 2 || input.shape[input.rank - 1] !== d) {
      const got = `shape [${input.shape}]`;
      throw new InvalidArgumentError(op, 'x', `of shape [..., tokens, ${d}]`, got);
    }
    checkRows(op, input, n, d, options);
    if (input.size === 0) return zeros([...input.shape.slice(0, -1), n]);
    const { bias, rest, coefficients, basis } = options;
    return runOp<QuantizedMatMulInputs, QuantizedMatMulAttrs, Tensor>(
      quantizedMatMulOp,
      { x: input, codes, scale, bias, rest, coefficients, basis },
      { bits, groupSize, d, n },
    );
  });
}

function checkRows(
  op: string,
  x: Tensor,
  n: number,
  d: number,
  { bias, rest, coefficients, basis }: QuantizedMatMulOptions,
): void {
  const samples = x.shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
  checkShape(op, 'bias', bias, [n]);
  checkShape(op, 'rest', rest, [samples, d]);
  if ((coefficients === undefined) !== (basis === undefined)) {
    const missing = basis === undefined ? 'basis' : 'coefficients';
    throw new InvalidArgumentError(op, missing, 'given together with the other one', 'none');
  }
  // r is what the basis says it is
  const [rank] = basis instanceof Tensor && basis.rank === 2 ? basis.shape : ['r'];
  checkShape(op, 'basis', basis, [rank ?? 'r', n]);
  checkShape(op, 'coefficients', coefficients, [samples, rank ?? 'r']);
}

function checkWeights(op: string, { codes, scale, bits, groupSize, shape }: PackedWeights): void {
  if (!Array.isArray(shape) || shape.length !== 2) {
    throw new InvalidArgumentError(op, 'shape', '[d, n]', describe(shape));
  }
  const [d, n] = shape;
  checkInteger(op, 'd', d, 1);
  checkInteger(op, 'n', n, 1);
  checkTensor(op, 'codes', codes);
  if (bits === 32) {
    if (codes.dtype === 'float32' && `${codes.shape}` === `${shape}`) return;
    const wanted = `float32 of shape [${shape}] where bits is 32`;
    throw new InvalidArgumentError(op, 'codes', wanted, `${codes.dtype} of shape [${codes.shape}]`);
  }
  checkInteger(op, 'bits', bits, 2, 8);
  checkInteger(op, 'groupSize', groupSize, 1);
  const bytes = packedBytes(d * n, bits);
  if (codes.dtype !== 'bool' || codes.size !== bytes) {
    const wanted = `${bytes} bytes (dtype bool) for [${shape}] at ${bits} bits`;
    throw new InvalidArgumentError(
      op,
      'codes',
      wanted,
      `${codes.size} of ${codes.dtype}`,
      'The file may be truncated or altered: get it again.',
    );
  }
  if (scale === undefined) throw new InvalidArgumentError(op, 'scale', 'given', 'none');
  checkShape(op, 'scale', scale, [Math.ceil(d / groupSize), n]);
}

function checkShape(
  op: string,
  argument: string,
  tensor: Tensor | undefined,
  shape: readonly (number | string)[],
): void {
  if (tensor === undefined) return;
  checkTensor(op, argument, tensor);
  if (tensor.dtype === 'float32' && `${tensor.shape}` === `${shape}`) return;
  const got = `${tensor.dtype} of shape [${tensor.shape}]`;
  throw new InvalidArgumentError(op, argument, `float32 of shape [${shape}]`, got);
}

function checkTensor(op: string, argument: string, tensor: unknown): void {
  const isTensor = tensor instanceof Tensor;
  if (isTensor && !tensor.isDisposed) return;
  const got = isTensor ? 'a disposed tensor' : describe(tensor);
  throw new InvalidArgumentError(op, argument, 'a tensor', got);
}
