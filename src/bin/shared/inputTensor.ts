import * as tf from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../../../ops/numerics/errors.js';

/** Numbers for an input, as a file or a module has them. */
export interface PlainArray {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

const MAX_INT32 = 2 ** 31;

/**
 * Numbers as a tensor of the dtype that the model wants.
 *
 * @param flag That it was given by, for errors.
 * @throws InvalidArgumentError for as many numbers as the shape does not have, for what is no
 * number, and for integers that would become others.
 */
export function inputTensor(
  flag: string,
  where: string,
  given: PlainArray,
  dtype: tf.DataType,
): tf.Tensor {
  const { shape } = given;
  const wrong = (wanted: string, got: string): never => {
    throw new InvalidArgumentError(flag, where, wanted, got);
  };
  if (!shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
    wrong('of a shape of integers, 0 or more', describe(shape));
  }
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (given.values.length !== size) {
    wrong(`${size} values for the shape [${shape}]`, `${given.values.length}`);
  }
  const values = Array.from(given.values);
  const whole = dtype !== 'float32';
  const stray = values.findIndex((v) => typeof v !== 'number' || (whole && !isInt32(v)));
  if (stray >= 0) {
    wrong(whole ? 'integers of 32 bits' : 'numbers', `${describe(values[stray])} at ${stray}`);
  }
  return tf.tensor(values, [...shape], dtype);
}

function isInt32(value: number): boolean {
  return Number.isInteger(value) && value >= -MAX_INT32 && value < MAX_INT32;
}
