import { nearestValues } from '../numerics/formats.js';
import type { Values } from '../numerics/ranges.js';
import type { FakeQuantAttrs } from './contract.js';

/** The op on host memory. */
export function fakeQuantValues(
  x: Values,
  shape: readonly number[],
  { bits, symmetric, granularity, range }: FakeQuantAttrs,
): Float32Array {
  const codes = symmetric ? 'symmetric' : 'unsigned';
  return nearestValues({ kind: 'uniform', bits, codes, granularity }, x, shape, range);
}
