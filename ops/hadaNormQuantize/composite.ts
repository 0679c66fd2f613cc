import {
  add,
  cast,
  concat,
  div,
  fill,
  isNaN as isNaNTensor,
  matMul,
  reshape,
  scalar,
  slice,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  where,
  zerosLike,
} from '@tensorflow/tfjs-core';
import { channelCenterOp, meanOfSamples } from '../channelCenter/composite.js';
import { type ComposedOp, runOp } from '../common/kernel.js';
import { type Bounds, dynamicBounds, quantizeGroups } from '../fakeQuant/composite.js';
import { hadamardTransformOp } from '../hadamardTransform/composite.js';
import { codeOffset, hasZeroPoint } from '../numerics/formats.js';
import {
  type HadaNormQuantizeAttrs,
  type HadaNormQuantizeInputs,
  hadaNormQuantizeContract,
} from './contract.js';

/** x' [..., tokens, d] → codes, scale and zero point, as the kernel gives them. */
export type Quantize = (x: Tensor, attrs: HadaNormQuantizeAttrs) => [Tensor, Tensor, Tensor];

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
  return transformAndQuantize(inputs, attrs, quantizeTensor);
}

/** Centers, scales and rotates by ops, and quantizes as the caller wants it. */
export function transformAndQuantize(
  { x, scale, mean, basis, mask }: HadaNormQuantizeInputs,
  attrs: HadaNormQuantizeAttrs,
  quantize: Quantize,
): Tensor[] {
  const { blockSize } = attrs;
  const rotate = (tensor: Tensor): Tensor =>
    blockSize === 0
      ? tensor
      : runOp(hadamardTransformOp, { x: tensor }, { transpose: false, blockSize });
  if (attrs.center !== 'dynamic') {
    return quantize(rotate(shiftAndScale(x, scale, mean)), attrs);
  }
  const [centered, means] = centerTokens(x, { scale, mask });
  const codes = quantize(rotate(centered), attrs);
  const d = x.shape[x.rank - 1]!;
  const off = shiftAndScale(reshape(means, [means.size / d, d]), scale, mean) as Tensor2D;
  if (basis === undefined) return [...codes, rotate(off)];
  const coefficients = matMul(off, basis as Tensor2D, false, true);
  const residual = sub(off, matMul(coefficients, basis as Tensor2D));
  return [...codes, rotate(residual), coefficients];
}

function shiftAndScale(x: Tensor, scale: Tensor | undefined, mean: Tensor | undefined): Tensor {
  if (mean !== undefined) return centerTokens(x, { scale, mean: meanOfSamples(mean, x.shape) })[0];
  return scale === undefined ? x : div(x, scale);
}

/** Less the mean, each sample's own or the given one [..., 1, d], over the scale; and the mean. */
function centerTokens(
  x: Tensor,
  { scale, mean, mask }: Pick<HadaNormQuantizeInputs, 'scale' | 'mean' | 'mask'>,
): [Tensor, Tensor] {
  const none = scalar(1);
  const inputs = { x, scale: scale ?? none, mean, mask: mask ?? none };
  return runOp(channelCenterOp, inputs, { dynamic: mean === undefined });
}

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
