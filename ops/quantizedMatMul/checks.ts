import { Tensor, type TensorLike } from '@tensorflow/tfjs-core';
import { checkInteger, checkOptions } from '../common/checks.js';
import { checkCodeValues, checkScaleValues } from '../common/contents.js';
import type { QuantizedActivations } from '../common/quantizedActivations.js';
import { checkLength } from '../common/sizes.js';
import { describe, InvalidArgumentError } from '../numerics/errors.js';
import { packedBytes } from '../numerics/packing.js';
import type { Activation, Along, PackedWeights, QuantizedMatMulOptions } from './contract.js';

/** The activations that the op applies, by name. */
export const ACTIVATIONS = ['none', 'gelu', 'geluTanh', 'silu', 'relu'] as const;

const ALONG = ['along', 'directionWeights', 'directionScale'];

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
  x: Tensor,
  n: number,
  d: number,
  { bias, residual, coefficients, basis, basisScale }: QuantizedMatMulOptions,
): void {
  const samples = x.shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
  checkShape(op, 'bias', bias, [n]);
  checkShape(op, 'residual', residual, [samples, d]);
  if ((coefficients === undefined) !== (basis === undefined)) {
    const missing = basis === undefined ? 'basis' : 'coefficients';
    throw new InvalidArgumentError(op, missing, 'given together with the other one', 'none');
  }
  // how many rows there are is what the basis says
  const [rank] = basis instanceof Tensor && basis.rank === 2 ? basis.shape : ['k'];
  checkShape(op, 'basis', basis, [rank ?? 'k', n]);
  if (basisScale === undefined) {
    checkShape(op, 'coefficients', coefficients, [samples, rank ?? 'r']);
    return;
  }
  if (basis === undefined)
    throw new InvalidArgumentError(op, 'basis', 'given for basisScale', 'none');
  checkShape(op, 'basisScale', basisScale, [rank ?? 'k']);
  const own = coefficients?.rank === 2 ? coefficients.shape[1]! : 0;
  checkShape(op, 'coefficients', coefficients, [samples, own > 0 ? own : 'r']);
  checkCoarseRows(op, 'basis', own, basisScale.size);
}

/** What goes beside the codes; null for nothing. @throws InvalidArgumentError for a misfit. */
export function checkAlong(
  op: string,
  x: Tensor,
  n: number,
  { along, directionWeights, directionScale }: QuantizedMatMulOptions,
): Along | null {
  if (along === undefined && directionWeights === undefined && directionScale === undefined) {
    return null;
  }
  if (along === undefined || directionWeights === undefined) {
    const missing = along === undefined ? 'along' : 'directionWeights';
    throw new InvalidArgumentError(op, missing, 'given together with the other one', 'none');
  }
  const own = along instanceof Tensor ? along.shape.at(-1) : undefined;
  const rank = own !== undefined && own > 0 ? own : 'r';
  checkShape(op, 'along', along, [...x.shape.slice(0, -1), rank]);
  if (directionScale === undefined) {
    checkShape(op, 'directionWeights', directionWeights, [rank, n]);
    return { along, directionWeights };
  }
  const count = directionWeights instanceof Tensor ? directionWeights.shape[0] : undefined;
  checkShape(op, 'directionWeights', directionWeights, [count ?? 'k', n]);
  checkShape(op, 'directionScale', directionScale, [count ?? 'k']);
  checkCoarseRows(op, 'directionWeights', own ?? 0, count ?? 0);
  return { along, directionWeights, directionScale };
}

/** Rows stored in coarse steps: one for each factor, and some of them once more. */
function checkCoarseRows(op: string, name: string, factors: number, rows: number): void {
  if (factors <= rows && rows <= 2 * factors) return;
  const wanted = `of ${factors} to ${2 * factors} rows for ${factors} factors`;
  throw new InvalidArgumentError(op, name, wanted, `${rows}`);
}

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
