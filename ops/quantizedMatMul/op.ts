import { type Tensor, type TensorLike, tidy, zeros } from '@tensorflow/tfjs-core';
import { toFloatTensor } from '../common/checks.js';
import { whyNoDirections } from '../common/directions.js';
import { runOp } from '../common/kernel.js';
import type { QuantizedActivations } from '../common/quantizedActivations.js';
import { withRenamed } from '../common/renamed.js';
import { checkSize } from '../common/sizes.js';
import { InvalidArgumentError } from '../numerics/errors.js';
import { FLOAT32 } from '../numerics/formats.js';
import { checkCodes, checkMatMulOptions, checkRows, checkWeights, isQuantized } from './checks.js';
import { quantizedMatMulOp } from './composite.js';
import {
  type PackedWeights,
  type ProductFormat,
  type QuantizedMatMulAttrs,
  type QuantizedMatMulInputs,
  type QuantizedMatMulOptions,
  quantizedMatMulContract,
} from './contract.js';
import { productBeside } from './directions.js';

/** What an absent option means. */
export const QUANTIZED_MATMUL_DEFAULTS = {
  activation: 'none',
} as const satisfies QuantizedMatMulOptions;

/**
 * Multiplies by packed low-bit weights: y = f(x W + along R + (residual W + coefficients · basis) +
 * bias), W = scale · code.
 *
 * The bracket is one row per sample, added to each of its tokens: the mean that HadaNorm took out
 * of x. Everything before the last two axes of x is a sample. x may be codes too: then kernels
 * multiply integers where the backend has such kernels. A token with a scale of NaN gives NaN. For
 * inference: it has no gradient.
 *
 * @param x [..., tokens, d], rank ≥ 2: float32, a tensor or numbers that make one; or codes, from
 * `hadaNormQuantize`.
 * @returns float32, [..., tokens, n].
 * @throws InvalidArgumentError for a wrong dtype, shape, bits or group size, for codes and zero
 * points that are no whole numbers from 0 to 2^bits − 1, and for an infinite scale.
 * Source: HadaNorm, arXiv 2506.09932, §3 (the mean's product is added back); layout of the codes:
 * ops/numerics/packing.ts.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { quantizedMatMul } from 'tfjs-hadanorm';
 *
 * // a block of 4 rows and 8 columns, padded by codes of 0; −8 … 7 are stored as 0 … 15, two to a
 * // byte
 * const bytes = new Uint8Array(16).fill(0x88);
 * bytes.set([0x89, 0x87], 0); // column 0: 1, −1
 * bytes.set([0x88, 0x8a], 4); // column 1: 0, 2
 * const codes = tf.tensor1d(bytes, 'bool');
 * const scale = tf.tensor2d([[0.5, 2]]);
 * const weights = { codes, scale, bits: 4, groupSize: 2, shape: [2, 2] } as const;
 * const y = quantizedMatMul(tf.tensor2d([[1, 10]]), weights);
 * y.print(); // [[-4.5, 40]]: x [[0.5, 0], [-0.5, 4]]
 * ```
 */
export function quantizedMatMul(
  x: Tensor | TensorLike | QuantizedActivations,
  weights: PackedWeights,
  given: QuantizedMatMulOptions = {},
): Tensor {
  const op = quantizedMatMulContract.kernelName;
  const options = withRenamed(op, given, 'rest', 'residual');
  checkMatMulOptions(op, options);
  checkWeights(op, weights);
  const { codes, scale, shape } = weights;
  const [d, n] = shape;
  const { activation = QUANTIZED_MATMUL_DEFAULTS.activation } = options;
  const { bias, residual, coefficients, basis, basisScale } = options;
  const { along, directionWeights, directionScale } = options;
  const means = { residual, coefficients, basis, basisScale };
  const rows = { bias, ...means, along, directionWeights, directionScale };
  return tidy('quantizedMatMul', () => {
    const quantized = isQuantized(x) ? x : null;
    const input = quantized?.codes ?? toFloatTensor(op, 'x', x as Tensor | TensorLike);
    if (quantized !== null) checkCodes(op, quantized);
    if (input.rank < 2 || input.shape[input.rank - 1] !== d) {
      const got = `shape [${input.shape}]`;
      throw new InvalidArgumentError(op, 'x', `of shape [..., tokens, ${d}]`, got);
    }
    checkRows(op, input, n, d, options);
    checkSize(op, 'the result', [...input.shape.slice(0, -1), n]);
    if (input.size === 0) return zeros([...input.shape.slice(0, -1), n]);
    const { scale: xScale, zeroPoint: xZeroPoint } = quantized ?? {};
    const inputs = { x: input, xScale, xZeroPoint, codes, scale, ...rows };
    const formats = { format: weightFormat(weights), xFormat: activationFormat(quantized, d) };
    const attrs = { ...formats, d, n, activation };
    return outputOf(inputs, attrs);
  });
}

/** By the backend's kernel; directions that it does not take by a narrow product beside it. */
function outputOf(inputs: QuantizedMatMulInputs, attrs: QuantizedMatMulAttrs): Tensor {
  const rank = inputs.along?.shape.at(-1);
  if (rank !== undefined && whyNoDirections(quantizedMatMulContract, attrs, rank) !== null) {
    return productBeside(inputs, attrs);
  }
  return runOp(quantizedMatMulOp, inputs, attrs);
}

function weightFormat({ bits, groupSize, shape: [d] }: PackedWeights): ProductFormat {
  if (bits === 32) return FLOAT32;
  const granularity = { kind: 'perGroup', axis: 0, groupSize: Math.min(groupSize, d) } as const;
  return { kind: 'uniform', bits, codes: 'signed', granularity };
}

/** Symmetric codes come without a sign too, and with a zero point. */
function activationFormat(x: QuantizedActivations | null, d: number): ProductFormat {
  if (x === null) return FLOAT32;
  const granularity = { kind: 'perGroup', axis: 1, groupSize: Math.min(x.groupSize, d) } as const;
  return { kind: 'uniform', bits: x.bits, codes: 'unsigned', granularity };
}
