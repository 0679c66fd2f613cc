import { util } from '@tensorflow/tfjs-core';
import { valuesOf } from '../../../ops/common/alive.js';
import type { Values } from '../../graph/newWeights.js';
import type { Known } from './steps.js';

/** A constant without the axes along which all of it is the same. */
export interface Repeated {
  /** Axes that are 1 long now. */
  readonly axes: readonly number[];
  readonly values: Values;
}

/**
 * A constant that grows with the batch, with one sample of it; null for one that does not grow, or
 * whose samples differ.
 */
export function repeats(op: string, { constant, lengths }: Known): Repeated | null {
  const growing = lengths.flatMap((length, i) => (typeof length === 'object' ? [i] : []));
  if (constant === null || growing.length === 0) return null;
  let values = valuesOf(op, constant.tensor) as Values;
  const shape = [...constant.shape];
  const axes: number[] = [];
  // other axes that repeat are of no more use either, from the first to where one does not
  for (const axis of shape.keys()) {
    const one = alongIs(values, shape, axis);
    if (one === null && growing.includes(axis)) return null;
    if (one === null) break;
    values = one;
    shape[axis] = 1;
    axes.push(axis);
  }
  return growing.every((axis) => axes.includes(axis)) ? { axes, values } : null;
}

/** The values at index 0 of an axis, where those at every other index are the same. */
function alongIs(values: Values, shape: readonly number[], axis: number): Values | null {
  const inner = util.sizeFromShape(shape.slice(axis + 1));
  const outer = util.sizeFromShape(shape.slice(0, axis));
  const length = shape[axis]!;
  const first = values.slice(0, outer * inner);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const at = o * length * inner + i;
      first[o * inner + i] = values[at]!;
      for (let k = 1; k < length; k++) {
        if (!Object.is(values[at + k * inner], values[at])) return null;
      }
    }
  }
  return first;
}
