import {
  add,
  cast,
  concat,
  fill,
  isNaN as isNaNTensor,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  where,
  zerosLike,
} from '@tensorflow/tfjs-core';
import { type ComposedOp, runOp } from '../common/kernel.js';
import { type Bounds, dynamicBounds, quantizeGroups } from '../fakeQuant/composite.js';
import { codeOffset, hasZeroPoint } from '../numerics/formats.js';
import {
  type HadaNormQuantizeAttrs,
  type HadaNormQuantizeInputs,
  hadaNormQuantizeContract,
} from './contract.js';
import { quantizeAlong } from './directions.js';
import { type Quantize, transformAndQuantize } from './transform.js';

/** The op on any backend. */
export const hadaNormQuantizeOp: ComposedOp<HadaNormQuantizeInputs, HadaNormQuantizeAttrs> = {
  contract: hadaNormQuantizeContract,
  composite: hadaNormQuantizeComposite,
};

/** The op from the ops that it is made of, each on the backend's own kernel where it has one. */
export function hadaNormQuantizeComposite(
  inputs: HadaNormQuantizeInputs,
  attrs: HadaNormQuantizeAttrs,
): Tensor[] {
  if (inputs.directions !== undefined) return quantizeAlong(inputs, attrs, quantizeByKernel);
  return transformAndQuantize(inputs, attrs, quantizeTensor);
}

/** The quantizer alone, by the kernel that a backend has for it. */
const quantizeByKernel: Quantize = (x, { format, range }) => {
  const plain: HadaNormQuantizeAttrs = { format, range, center: 'none', blockSize: 0 };
  return runOp<HadaNormQuantizeInputs, HadaNormQuantizeAttrs, [Tensor, Tensor, Tensor]>(
    hadaNormQuantizeOp,
    { x },
    plain,
  );
};

/** The quantizer of `fakeQuant` in the same float32 steps, on tensors. */
const quantizeTensor: Quantize = (x, attrs) => {
  const { groupSize } = attrs.format.granularity;
  const d = x.shape[x.rank - 1]!;
  const rows = x.size / d;
  const whole = Math.floor(d / groupSize);
  const view = reshape(x, [rows, d]) as Tensor2D;
  const main = slice(view, [0, 0], [rows, whole * groupSize]);
  const parts = [quantizePart(reshape(main, [rows, whole, groupSize]) as Tensor3D, attrs)];
  const rest = d - whole * groupSize;
  if (rest > 0) {
    const last = slice(view, [0, whole * groupSize], [rows, rest]);
    parts.push(quantizePart(reshape(last, [rows, 1, rest]) as Tensor3D, attrs));
  }
  const joined = (i: 0 | 1 | 2, columns: number) => {
    const flat = parts.map((part) => reshape(part[i], [rows, part[i].size / rows]));
    const all = flat.length === 1 ? flat[0]! : concat(flat, 1);
    return reshape(all, [...x.shape.slice(0, -1), columns]);
  };
  const groups = Math.ceil(d / groupSize);
  return [cast(joined(0, d), 'int32'), joined(1, groups), joined(2, groups)];
};

/** x: [rows, groups, size] → codes, the same, and scale and zero point [rows, groups, 1]. */
function quantizePart(x: Tensor3D, attrs: HadaNormQuantizeAttrs): [Tensor, Tensor, Tensor] {
  const { format, range } = attrs;
  const bounds: Bounds =
    range === null
      ? dynamicBounds(x, [2])
      : [fill([1, 1, 1], Math.min(range.min, 0)), fill([1, 1, 1], Math.max(range.max, 0))];
  const { offsets, scale, zeroPoint } = quantizeGroups(x, bounds, format);
  const poison = poisonOf(x, range === null);
  const spoilt = isNaNTensor(poison);
  const origin = add(zerosLike(poison), hasZeroPoint(format) ? zeroPoint : codeOffset(format));
  return [where(spoilt, 0, add(offsets, origin)), add(poison, scale), where(spoilt, 0, origin)];
}

/**
 * NaN for a group that has a NaN, or where the range is dynamic also for one with ±Inf; else 0.
 * [rows, groups, 1]
 */
function poisonOf(x: Tensor3D, dynamic: boolean): Tensor {
  return sum(dynamic ? sub(x, x) : where(isNaNTensor(x), x, zerosLike(x)), 2, true);
}
