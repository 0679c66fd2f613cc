import {
  add,
  broadcastTo,
  getBackend,
  matMul,
  mul,
  reshape,
  slice,
  softmax,
  stack,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  transpose,
  unstack,
} from '@tensorflow/tfjs-core';
import type { ComposedOp } from '../common/kernel.js';
import { checkSize } from '../common/sizes.js';
import { type AttentionAttrs, type AttentionInputs, attentionContract } from './contract.js';
import { attentionDims } from './dims.js';
import { shapeIn } from './layout.js';

/** The op on any backend. */
export const attentionOp: ComposedOp<AttentionInputs, AttentionAttrs> = {
  contract: attentionContract,
  composite: attentionComposite,
};

/** The op from tfjs ops; the scores of all heads exist at once. */
export function attentionComposite(inputs: AttentionInputs, attrs: AttentionAttrs): Tensor {
  const op = attentionContract.kernelName;
  const { sizes } = attentionDims(op, inputs, attrs);
  const { b, h, queries, keys, valueChannels } = sizes;
  checkSize(op, 'the scores', [b, h, queries, keys]);
  const heads = (x: Tensor, layout: string) => inHeads(x, layout, b, h);
  // smaller than the scores as a rule
  const q = mul<Tensor3D>(heads(inputs.q, attrs.qLayout), attrs.scale);
  const dots = product(q, transpose<Tensor3D>(heads(inputs.k, attrs.kLayout), [0, 2, 1]));
  const scores = reshape(dots, [b, h, queries, keys]);
  const masked = inputs.mask === undefined ? scores : add(scores, inputs.mask);
  const weights = reshape(softmax(masked), [b * h, queries, keys]) as Tensor3D;
  const mixed = product(weights, heads(inputs.v, attrs.vLayout));
  return fromHeads(reshape(mixed, [b, h, queries, valueChannels]), attrs.outputLayout);
}

/** The view that a layout gives, as [b · h, t, c]. */
function inHeads(x: Tensor, layout: string, b: number, h: number): Tensor3D {
  const { part, letters } = withoutDigit(x, layout);
  const missing = [...'bh'].filter((letter) => !letters.includes(letter));
  const names = [...missing, ...letters];
  const whole = reshape(part, [...missing.map(() => 1), ...part.shape]);
  const transposed = transpose(
    whole,
    [...'bhtc'].map((name) => names.indexOf(name)),
  );
  const [, , t, c] = transposed.shape as [number, number, number, number];
  const all =
    transposed.size === b * h * t * c ? transposed : broadcastTo(transposed, [b, h, t, c]);
  return reshape(all, [b * h, t, c]) as Tensor3D;
}

function withoutDigit(x: Tensor, layout: string): { part: Tensor; letters: string } {
  const axis = layout.search(/\d/);
  if (axis < 0) return { part: x, letters: layout };
  const begin = x.shape.map((_, i) => (i === axis ? Number(layout[axis]) : 0));
  const size = x.shape.map((length, i) => (i === axis ? 1 : length));
  const rest = x.shape.filter((_, i) => i !== axis);
  return { part: reshape(slice(x, begin, size), rest), letters: layout.replace(/\d/, '') };
}

/** [b, h, t, c] in a layout. */
function fromHeads(x: Tensor, layout: string): Tensor {
  const [b, h, t, c] = x.shape as [number, number, number, number];
  const order = [...layout].map((name) => 'bhtc'.indexOf(name));
  const dropped = [...'bhtc'].map((_, axis) => axis).filter((axis) => !order.includes(axis));
  return reshape(transpose(x, [...dropped, ...order]), shapeIn(layout, { b, h, t, c }));
}

/**
 * a b for every head. On WASM tfjs's batched product is scalar, many times slower than one product
 * after the other.
 */
function product(a: Tensor3D, b: Tensor3D): Tensor {
  if (getBackend() !== 'wasm') return matMul(a, b);
  const right = unstack(b) as Tensor2D[];
  return stack(unstack(a).map((left, i) => matMul(left as Tensor2D, right[i]!)));
}
