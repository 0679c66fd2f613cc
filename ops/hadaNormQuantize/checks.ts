import type { Tensor, TensorLike } from '@tensorflow/tfjs-core';
import { checkBoolean, checkInteger, checkOptions, toFloatTensor } from '../common/checks.js';
import { checkLength } from '../common/sizes.js';
import { toTokenMask } from '../common/tokenMask.js';
import { describe, InvalidArgumentError } from '../numerics/errors.js';
import { hadamardPlan } from '../numerics/hadamard.js';
import type {
  HadaNormQuantizeAttrs,
  HadaNormQuantizeInputs,
  HadaNormQuantizeOptions,
  StaticRange,
} from './contract.js';

const KEYS = [
  ...['bits', 'symmetric', 'groupSize', 'range', 'center', 'scale', 'mean', 'basis', 'mask'],
  'blockSize',
  'directions',
  'subtract',
];

/** The options as attributes. @throws InvalidArgumentError or HadamardSizeError. */
export function resolveAttrs(
  op: string,
  d: number,
  options: HadaNormQuantizeOptions,
  defaults: Required<Pick<HadaNormQuantizeOptions, 'bits' | 'symmetric' | 'center'>>,
): HadaNormQuantizeAttrs {
  checkOptions(op, options, KEYS);
  const {
    bits = defaults.bits,
    symmetric = defaults.symmetric,
    center = defaults.center,
    groupSize = d,
    blockSize = d,
  } = options;
  checkInteger(op, 'bits', bits, 2, 8);
  checkBoolean(op, 'symmetric', symmetric);
  checkLength(op, 'groupSize', groupSize);
  const range = options.range === undefined ? null : checkRange(op, options.range);
  if (range !== null && groupSize < d) {
    const wanted = 'absent beside a range, which is for the whole tensor';
    throw new InvalidArgumentError(op, 'groupSize', wanted, `${groupSize}`);
  }
  if (center !== 'none' && center !== 'static' && center !== 'dynamic') {
    const wanted = "'none', 'static' or 'dynamic'";
    throw new InvalidArgumentError(op, 'center', wanted, describe(center satisfies never));
  }
  checkInteger(op, 'blockSize', blockSize, 0);
  if (blockSize > 0) {
    if (d % blockSize !== 0) {
      const wanted = `0 or a divisor of the last axis (${d})`;
      throw new InvalidArgumentError(op, 'blockSize', wanted, `${blockSize}`);
    }
    hadamardPlan(op, blockSize);
  }
  const granularity = { kind: 'perGroup', axis: 1, groupSize: Math.min(groupSize, d) } as const;
  const codes = symmetric ? 'symmetric' : 'unsigned';
  return { format: { kind: 'uniform', bits, codes, granularity }, range, center, blockSize };
}

/**
 * Scale, mean, basis and mask as tensors. @throws InvalidArgumentError for what does not fit x or
 * the centering.
 */
export function checkVectors(
  op: string,
  xShape: readonly number[],
  { center }: HadaNormQuantizeAttrs,
  options: HadaNormQuantizeOptions,
): Omit<HadaNormQuantizeInputs, 'x'> {
  const d = xShape.at(-1)!;
  const scale = vector(op, 'scale', options.scale, d);
  const mean = vector(op, 'mean', options.mean, d);
  if (center === 'static' && mean === undefined) {
    throw new InvalidArgumentError(op, 'mean', "given for center 'static'", 'none');
  }
  if (center === 'none' && mean !== undefined) {
    throw new InvalidArgumentError(op, 'mean', "absent for center 'none'", 'a mean');
  }
  for (const name of ['basis', 'mask'] as const) {
    if (options[name] === undefined || center === 'dynamic') continue;
    throw new InvalidArgumentError(op, name, `absent for center '${center}'`, `a ${name}`);
  }
  const mask = options.mask === undefined ? undefined : toTokenMask(op, options.mask, xShape);
  if (options.basis === undefined) return { scale, mean, mask };
  return { scale, mean, basis: matrix(op, 'basis', options.basis, ['r', d]), mask };
}

/** Of a shape in which one size, r, is open. */
function matrix(
  op: string,
  name: string,
  given: Tensor | TensorLike,
  wanted: readonly [number | 'r', number | 'r'],
): Tensor {
  const tensor = toFloatTensor(op, name, given);
  const { shape } = tensor;
  const fits = shape.length === 2 && wanted.every((size, i) => size === 'r' || size === shape[i]);
  if (fits && tensor.size > 0) return tensor;
  const how = `of shape [${wanted.join(', ')}], r ≥ 1`;
  throw new InvalidArgumentError(op, name, how, `shape [${shape}]`);
}

/** V as a tensor, and whether it is subtracted. @throws InvalidArgumentError. */
export function checkDirections(
  op: string,
  xShape: readonly number[],
  { directions, subtract = false }: HadaNormQuantizeOptions,
): { directions?: Tensor; subtract: boolean } {
  checkBoolean(op, 'subtract', subtract);
  if (directions === undefined) {
    if (!subtract) return { subtract };
    throw new InvalidArgumentError(op, 'subtract', 'absent without directions', 'true');
  }
  return { directions: matrix(op, 'directions', directions, [xShape.at(-1)!, 'r']), subtract };
}

function vector(
  op: string,
  name: string,
  given: Tensor | TensorLike | undefined,
  d: number,
): Tensor | undefined {
  if (given === undefined) return undefined;
  const tensor = toFloatTensor(op, name, given);
  if (tensor.rank === 1 && tensor.size === d) return tensor;
  throw new InvalidArgumentError(op, name, `of shape [${d}]`, `shape [${tensor.shape}]`);
}

function checkRange(op: string, range: StaticRange): StaticRange {
  checkOptions(op, range, ['min', 'max'], 'range');
  const { min, max } = range;
  for (const [name, bound] of Object.entries({ min, max })) {
    if (typeof bound === 'number' && Number.isFinite(Math.fround(bound))) continue;
    throw new InvalidArgumentError(op, `range.${name}`, 'a finite float32 number', describe(bound));
  }
  if (min > max) throw new InvalidArgumentError(op, 'range', 'min ≤ max', `[${min}, ${max}]`);
  return { min, max };
}
