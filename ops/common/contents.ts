import type { Tensor, TypedArray } from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../numerics/errors.js';
import { valuesOf } from './alive.js';

/** Bits that the data of codes and zero points is known to keep to: 0 … 2^bits − 1. */
const codes = new WeakMap<object, number>();
/** Data of scales that is known to have no infinities. */
const scales = new WeakSet<object>();

/** What an op made needs no look, which on a GPU would wait for it. */
export function rememberCodes({ dataId }: Tensor, bits: number): void {
  codes.set(dataId, bits);
}

/** As `rememberCodes`. */
export function rememberScale({ dataId }: Tensor): void {
  scales.add(dataId);
}

/**
 * Looks, once for each data, whether codes or zero points are such: kernels keep them in so many
 * bits, and each backend would make something else of others.
 * @throws InvalidArgumentError where they are not whole numbers from 0 to 2^bits − 1.
 */
export function checkCodeValues(op: string, argument: string, tensor: Tensor, bits: number): void {
  if ((codes.get(tensor.dataId) ?? Number.POSITIVE_INFINITY) <= bits) return;
  const most = 2 ** bits - 1;
  const isCode = (value: number) => Number.isInteger(value) && value >= 0 && value <= most;
  const wanted = `of whole numbers from 0 to ${most} at ${bits} bits`;
  checkValues(op, argument, tensor, isCode, wanted);
  codes.set(tensor.dataId, bits);
}

/**
 * The same for scales, which may be NaN: what they scale is so then.
 * @throws InvalidArgumentError for an infinite one: 0 times it depends on the order of sums.
 */
export function checkScaleValues(op: string, argument: string, tensor: Tensor): void {
  if (scales.has(tensor.dataId)) return;
  const fits = (value: number) => Number.isFinite(value) || Number.isNaN(value);
  checkValues(op, argument, tensor, fits, 'of finite numbers, or NaN');
  scales.add(tensor.dataId);
}

function checkValues(
  op: string,
  argument: string,
  tensor: Tensor,
  fits: (value: number) => boolean,
  wanted: string,
): void {
  const values = valuesOf<'float32' | 'int32' | 'bool'>(op, tensor) as TypedArray;
  for (let at = 0; at < values.length; at++) {
    if (fits(values[at]!)) continue;
    throw new InvalidArgumentError(op, argument, wanted, `${values[at]} at ${at}`);
  }
}
