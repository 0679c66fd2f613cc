import { util } from '@tensorflow/tfjs-core';
import { valuesOf } from '../../ops/common/alive.js';
import type { Constant, Tape } from './base/tape.js';

/**
 * A constant that was made in the call and is another in a second one, as the message of an error
 * has it; null where there is none. Of one that grew with the batch, the values come to be looked
 * at where it is written.
 */
export function otherConstant(op: string, one: Tape, second: Tape): string | null {
  const others = [...second.constants.values()];
  for (const [i, constant] of [...one.constants.values()].entries()) {
    if (!isSame(op, constant, others[i]!)) return `a constant of shape [${constant.shape}]`;
  }
  return null;
}

function isSame(op: string, a: Constant, b: Constant): boolean {
  // what was there before is the same tensor, with the same value
  if (a.root !== null) return a.root === b.root && a.data === b.data;
  const [x, y] = [valuesOf(op, a.tensor), valuesOf(op, b.tensor)];
  const common = Math.min(x.length, y.length);
  if (!util.arraysEqual([...a.shape], [...b.shape]) && common > 0) return Object.is(x[0], y[0]);
  for (let i = 0; i < common; i++) if (!Object.is(x[i], y[i])) return false;
  return true;
}
