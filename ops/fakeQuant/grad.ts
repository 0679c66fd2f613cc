import {
  cast,
  greater,
  greaterEqual,
  lessEqual,
  logicalAnd,
  type Tensor,
  where,
  zerosLike,
} from '@tensorflow/tfjs-core';
import { defineGradient } from '../common/kernel.js';
import { mapGroups } from './composite.js';
import { type FakeQuantAttrs, fakeQuantContract } from './contract.js';

/**
 * Straight-through (arXiv 1308.3432): dx = dy where min ≤ x ≤ max, 0 outside. A dynamic range has
 * no outside.
 */
export const fakeQuantGrad = defineGradient<FakeQuantAttrs, Tensor>(fakeQuantContract, {
  inputsToSave: ['x'],
  gradients: (dy, saved, attrs) => ({
    x: () => (attrs.range === null ? dy.clone() : maskedGrad(dy, saved[0]!, attrs)),
  }),
});

function maskedGrad(dy: Tensor, x: Tensor, attrs: FakeQuantAttrs): Tensor {
  const inside = mapGroups(x, attrs, (part, [lo, hi]) =>
    cast(logicalAnd(greaterEqual(part, lo), lessEqual(part, hi)), 'float32'),
  );
  return where(greater(inside, 0), dy, zerosLike(dy));
}
