import type { TensorInfo } from '@tensorflow/tfjs-core';

const numbers = new WeakMap<object, number>();
let last = 0;

/** A number of its own for every data id, since backends count theirs apart. */
export function dataNumber({ dataId }: TensorInfo): number {
  const number = numbers.get(dataId) ?? ++last;
  numbers.set(dataId, number);
  return number;
}
