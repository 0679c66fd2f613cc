import { Tensor, type TensorLike, tensor } from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../numerics/errors.js';

const NUMBER_ARRAYS = [Float32Array, Int32Array, Uint8Array, Uint8ClampedArray];

/**
 * The float32 tensor that an argument stands for.
 * @param x A float32 tensor, or numbers (nested arrays, a typed array, a number) that make one.
 * @throws InvalidArgumentError for another dtype, a disposed tensor or anything else.
 */
export function toFloatTensor(op: string, argument: string, x: Tensor | TensorLike): Tensor {
  const wanted = 'a float32 tensor or numbers in a regular array';
  if (x instanceof Tensor) {
    if (x.isDisposed) {
      throw new InvalidArgumentError(op, argument, wanted, 'a disposed tensor');
    }
    if (x.dtype === 'float32') return x;
    const wayOut = 'Cast it with tf.cast(x, "float32").';
    throw new InvalidArgumentError(op, argument, wanted, `a tensor of dtype ${x.dtype}`, wayOut);
  }
  // tfjs itself takes ragged arrays and gives a tensor with missing values
  if (shapeOfNumbers(x) === null) throw new InvalidArgumentError(op, argument, wanted, describe(x));
  return tensor(x, undefined, 'float32');
}

/**
 * @throws InvalidArgumentError when `options` is no plain object or has a key that is not among the
 * known ones.
 */
export function checkOptions(
  op: string,
  options: unknown,
  known: readonly string[],
  argument = 'options',
): void {
  checkPlain(op, argument, options);
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const wanted = `made of ${known.join(', ')}`;
    throw new InvalidArgumentError(op, argument, wanted, describe(key));
  }
}

/** Whether `value` is an object, and no list, Map or promise of one. */
export function isPlain(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** @throws InvalidArgumentError unless `value` is an object, and no list, Map or promise of one. */
export function checkPlain(op: string, argument: string, value: unknown): asserts value is object {
  if (isPlain(value)) return;
  throw new InvalidArgumentError(op, argument, 'an object', describe(value));
}

/** @throws InvalidArgumentError unless `value` is an integer in [min, max]. */
export function checkInteger(
  op: string,
  argument: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
  const wanted =
    max === Number.MAX_SAFE_INTEGER ? `an integer ≥ ${min}` : `an integer from ${min} to ${max}`;
  throw new InvalidArgumentError(op, argument, wanted, describe(value));
}

/** @throws InvalidArgumentError unless `value` is true or false. */
export function checkBoolean(
  op: string,
  argument: string,
  value: unknown,
): asserts value is boolean {
  if (typeof value === 'boolean') return;
  throw new InvalidArgumentError(op, argument, 'true or false', describe(value));
}

/** @throws InvalidArgumentError unless `value` is a Uint8Array, of any realm. */
export function checkBytes(
  op: string,
  argument: string,
  value: unknown,
  what: string,
): asserts value is Uint8Array {
  // by name: a test runner's, or a frame's, is of another class
  const isView = ArrayBuffer.isView(value) && Reflect.get(value, Symbol.toStringTag);
  if (isView === 'Uint8Array') return;
  throw new InvalidArgumentError(op, argument, `${what}, a Uint8Array`, describe(value));
}

/** @throws InvalidArgumentError unless `x` has at least `rank` dimensions. */
export function checkMinRank(op: string, x: Tensor, rank: number, layout: string): void {
  if (x.rank >= rank) return;
  const wanted = `of rank ≥ ${rank} (${layout})`;
  throw new InvalidArgumentError(op, 'x', wanted, `rank ${x.rank} (shape [${x.shape}])`);
}

/**
 * Counts an axis from the front.
 * @throws InvalidArgumentError unless −rank ≤ axis < rank.
 */
export function normalizeAxis(op: string, argument: string, axis: number, rank: number): number {
  checkInteger(op, argument, axis, -rank, rank - 1);
  return axis < 0 ? axis + rank : axis;
}

/** Axes that a tensor has at most. */
const MAX_RANK = 6;

/** The shape of nested numbers; null when anything else is among them, or the nesting is ragged. */
function shapeOfNumbers(x: unknown, depth = 0): number[] | null {
  if (typeof x === 'number') return [];
  const typed = NUMBER_ARRAYS.some((type) => x instanceof type);
  if (typed) return [(x as Float32Array).length];
  // an array may hold itself
  if (!Array.isArray(x) || depth >= MAX_RANK) return null;
  const shapes = x.map((item) => shapeOfNumbers(item, depth + 1));
  const [first] = shapes;
  if (first === undefined) return [0];
  if (first === null || shapes.some((shape) => `${shape}` !== `${first}`)) return null;
  return [x.length, ...first];
}
