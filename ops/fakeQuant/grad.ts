import {
  cast,
  type GradConfig,
  greater,
  greaterEqual,
  lessEqual,
  logicalAnd,
  type NamedAttrMap,
  type Tensor,
  where,
  zerosLike,
} from '@tensorflow/tfjs-core';
import { mapGroups } from './composite.js';
import { type FakeQuantAttrs, fakeQuantOp } from './op.js';

/** Straight-through (arXiv 1308.3432): dx = dy where min ≤ x ≤ max, 0 outside. A dynamic range has no outside. */
export const fakeQuantGrad: GradConfig = {
  kernelName: fakeQuantOp.kernelName,
  inputsToSave: ['x'],
  gradFunc: (dy: Tensor | Tensor[], saved: Tensor[], attributes: NamedAttrMap) => {
    const attrs = attributes as unknown as FakeQuantAttrs;
    return {
      x: () =>
        attrs.range === null ? (dy as Tensor).clone() : maskedGrad(dy as Tensor, saved[0]!, attrs),
    };
  },
};

function maskedGrad(dy: Tensor, x: Tensor, attrs: FakeQuantAttrs): Tensor {
  const inside = mapGroups(x, attrs, (part, [lo, hi]) =>
    cast(logicalAnd(greaterEqual(part, lo), lessEqual(part, hi)), 'float32'),
  );
  return where(greater(inside, 0), dy, zerosLike(dy));
}
