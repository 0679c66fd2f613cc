import { Tensor, type TensorLike } from '@tensorflow/tfjs-core';
import { checkInteger, checkOptions } from '../common/checks.js';
import { checkCodeValues, checkScaleValues } from '../common/contents.js';
import type { QuantizedActivations } from '../common/quantizedActivations.js';
import { checkLength } from '../common/sizes.js';
import { describe, InvalidArgumentError } from '../numerics/errors.js';
import { packedBytes } from '../numerics/packing.js';
import type { Activation, PackedWeights, QuantizedMatMulOptions } from './contract.js';

/** The activations that the op applies, by name. */
export const ACTIVATIONS = ['none', 'gelu', 'geluTanh', 'silu', 'relu'] as const;

const ALONG = ['along', 'directionWeights', 'directionScale'] as const;

/** Whether x is meant as codes: any object with `codes` that is no tensor. */
export function isQuantized(
  x: Tensor | TensorLike | QuantizedActivations,
): x is QuantizedActivations {
  return x !== null && typeof x === 'object' && !(x instanceof Tensor) && 'codes' in x;
}

/** @throws InvalidArgumentError for an unknown option or activation. */
export function checkMatMulOptions(op: string, options: QuantizedMatMulOptions): void {
  const rows = ['bias', 'residual', 'coefficients', 'basis', 'basisScale'];
  checkOptions(op, options, [...rows, ...ALONG, 'activation']);
  const { activation } = options;
  if (activation === undefined || ACTIVATIONS.includes(activation satisfies Activation)) return;
  const wanted = `one of ${ACTIVATIONS.join(', ')}`;
  throw new InvalidArgumentError(op, 'activation', wanted, describe(activation));
}

/** @throws InvalidArgumentError for activations whose parts do not fit each other. */
export function checkCodes(op: string, x: QuantizedActivations): void {
  checkOptions(op, x, ['codes', 'scale', 'zeroPoint', 'bits', 'groupSize'], 'x');
  const { codes, scale, zeroPoint, bits, groupSize } = x;
  checkTensor(op, 'x.codes', codes);
  if (codes.dtype !== 'int32' && codes.dtype !== 'bool') {
    throw new InvalidArgumentError(op, 'x.codes', 'of dtype int32 or bool', codes.dtype);
  }
  checkInteger(op, 'x.bits', bits, 2, 8);
  checkLength(op, 'x.groupSize', groupSize);
  const groups = Math.ceil((codes.shape[codes.rank - 1] ?? 0) / groupSize);
  const shape = [...codes.shape.slice(0, -1), groups];
  for (const [name, tensor] of [
    ['scale', scale],
    ['zeroPoint', zeroPoint],
  ] as const) {
    if (tensor === undefined) {
      throw new InvalidArgumentError(op, `x.${name}`, 'given', 'none');
    }
    checkShape(op, `x.${name}`, tensor, shape);
  }
  checkCodeValues(op, 'x.codes', codes, bits);
  checkCodeValues(op, 'x.zeroPoint', zeroPoint, bits);
  checkScaleValues(op, 'x.scale', scale);
}

/** @throws InvalidArgumentError for rows that do not fit x [..., tokens, d] and n outputs. */
export function checkRows(
  op: string,
  { shape }: Tensor,
  n: number,
  d: number,
  options: QuantizedMatMulOptions,
): void {
  const samples = shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
  checkShape(op, 'bias', options.bias, [n]);
  checkShape(op, 'residual', options.residual, [samples, d]);
  checkFactors(op, options, ['coefficients', 'basis', 'basisScale'], [samples], n);
  checkFactors(op, options, ALONG, shape.slice(0, -1), n);
}

/**
 * Factors [..., r] and the rows [k, n] that they are for: k is r or, where the rows are stored in
 * coarse steps with a scale each, r to 2r.
 */
function checkFactors(
  op: string,
  options: QuantizedMatMulOptions,
  [own, other, steps]: readonly [FactorName, FactorName, FactorName],
  leading: readonly number[],
  n: number,
): void {
  const [factors, rows, scale] = [options[own], options[other], options[steps]];
  if (factors === undefined && rows === undefined && scale === undefined) return;
  if (factors === undefined || rows === undefined) {
    const missing = rows === undefined ? other : own;
    throw new InvalidArgumentError(
      op,
      missing,
      `given beside ${own}, ${other} and ${steps}`,
      'none',
    );
  }
  // how many there are is what these say
  const count = (rows instanceof Tensor && rows.shape[0]) || 'k';
  const rank = (factors instanceof Tensor && factors.shape.at(-1)) || 'r';
  checkShape(op, other, rows, [count, n]);
  checkShape(op, own, factors, [...leading, scale === undefined ? count : rank]);
  checkShape(op, steps, scale, [count]);
  if (scale === undefined || (rank <= count && (count as number) <= 2 * (rank as number))) return;
  const wanted = `of ${rank} to ${2 * (rank as number)} rows for ${rank} factors`;
  throw new InvalidArgumentError(op, other, wanted, `${count}`);
}

type FactorName = 'coefficients' | 'basis' | 'basisScale' | (typeof ALONG)[number];

/** @throws InvalidArgumentError for weights whose parts do not fit each other. */
export function checkWeights(op: string, weights: PackedWeights): void {
  checkOptions(op, weights, ['codes', 'scale', 'bits', 'groupSize', 'shape'], 'weights');
  const { codes, scale, bits, groupSize, shape } = weights;
  if (!Array.isArray(shape) || shape.length !== 2) {
    throw new InvalidArgumentError(op, 'shape', '[d, n]', describe(shape));
  }
  const [d, n] = shape;
  checkLength(op, 'd', d);
  checkLength(op, 'n', n);
  checkTensor(op, 'codes', codes);
  if (bits === 32) {
    if (codes.dtype === 'float32' && `${codes.shape}` === `${shape}`) return;
    const wanted = `float32 of shape [${shape}] where bits is 32`;
    throw new InvalidArgumentError(op, 'codes', wanted, `${codes.dtype} of shape [${codes.shape}]`);
  }
  checkInteger(op, 'bits', bits, 2, 8);
  checkLength(op, 'groupSize', groupSize);
  const bytes = packedBytes(d, n, bits);
  if (codes.dtype !== 'bool' || codes.size !== bytes) {
    const wanted = `${bytes} bytes (dtype bool) for [${shape}] at ${bits} bits`;
    const wayOut = 'The file may be truncated or altered: get it again.';
    throw new InvalidArgumentError(op, 'codes', wanted, `${codes.size} of ${codes.dtype}`, wayOut);
  }
  if (scale === undefined) throw new InvalidArgumentError(op, 'scale', 'given', 'none');
  checkShape(op, 'scale', scale, [Math.ceil(d / groupSize), n]);
  checkScaleValues(op, 'scale', scale);
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
