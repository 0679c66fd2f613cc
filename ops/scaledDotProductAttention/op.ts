import { type Tensor, type TensorLike, tidy, zeros } from '@tensorflow/tfjs-core';
import { checkOptions, toFloatTensor } from '../common/checks.js';
import { runOp } from '../common/kernel.js';
import { checkSize } from '../common/sizes.js';
import { describe, InvalidArgumentError } from '../numerics/errors.js';
import { attentionOp } from './composite.js';
import {
  type AttentionAttrs,
  type AttentionInputs,
  type AttentionOptions,
  attentionContract,
} from './contract.js';
import { attentionDims } from './dims.js';
import { resolveLayouts } from './layout.js';

/**
 * softmax(scale · q kᵀ + mask) v for every sample and head, read and written in whatever order the
 * axes have.
 *
 * No head, and no score, takes memory of its own on backends with a kernel. Queries and keys may
 * differ in number, the channels of v from those of q; one sample or head of k, v, q or the mask
 * stands for all. NaN in a query or in a score, or +∞, makes that query's result NaN, and so does a
 * mask that hides every key (tfjs's own softmax, which runs on webgl, gives numbers there). For
 * inference: it has no gradient.
 *
 * @param q float32, [samples, heads, queries, channels] unless `layouts` says otherwise; a tensor,
 * or numbers.
 * @param k float32, as q with keys for queries.
 * @param v float32, as k.
 * @returns float32, [samples, heads, queries, channels of v] in the output's layout.
 * @throws InvalidArgumentError for a wrong dtype, layout or shape, or without keys.
 * Source: "Attention is all you need", arXiv 1706.03762, §3.2; computed in blocks as in
 * FlashAttention, arXiv 2205.14135.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { scaledDotProductAttention } from 'tfjs-hadanorm';
 *
 * // one linear's output: 2 tokens with queries, keys and values of 1 head of 1 channel
 * const qkv = tf.tensor3d([[[0, 1, 10], [0, 1, 20]]]);
 * const parts = tf.reshape(qkv, [1, 2, 3, 1, 1]);
 * const layouts = { q: 'bt0hc', k: 'bt1hc', v: 'bt2hc', output: 'bthc' };
 * scaledDotProductAttention(parts, parts, parts, { layouts }).print(); // both tokens: 15
 * ```
 */
export function scaledDotProductAttention(
  q: Tensor | TensorLike,
  k: Tensor | TensorLike,
  v: Tensor | TensorLike,
  options: AttentionOptions = {},
): Tensor {
  const op = attentionContract.kernelName;
  checkOptions(op, options, ['mask', 'scale', 'layouts']);
  const { layouts = {} } = options;
  checkOptions(op, layouts, ['q', 'k', 'v', 'output'], 'layouts');
  for (const [name, layout] of Object.entries(layouts)) checkText(op, `layouts.${name}`, layout);
  return tidy('scaledDotProductAttention', () => {
    const mask = options.mask === undefined ? undefined : toFloatTensor(op, 'mask', options.mask);
    const inputs = {
      q: toFloatTensor(op, 'q', q),
      k: toFloatTensor(op, 'k', k),
      v: toFloatTensor(op, 'v', v),
      mask,
    };
    const ranks = { q: inputs.q.rank, k: inputs.k.rank, v: inputs.v.rank };
    const attrs = resolveLayouts(layouts, ranks);
    const { sizes, outputShape } = attentionDims(op, inputs, attrs);
    const scale = toScale(op, options.scale, sizes.c);
    checkSize(op, 'the result', outputShape);
    if (outputShape.includes(0)) return zeros(outputShape);
    // without channels every score is 0: one channel of zeros spares the kernels that case
    const given = sizes.c > 0 ? inputs : { ...inputs, ...withChannel(inputs) };
    return runOp<AttentionInputs, AttentionAttrs, Tensor>(attentionOp, given, { ...attrs, scale });
  });
}

function withChannel({ q, k }: Pick<AttentionInputs, 'q' | 'k'>): { q: Tensor; k: Tensor } {
  const one = ({ shape }: Tensor) => zeros([...shape.slice(0, -1), 1]);
  return { q: one(q), k: one(k) };
}

/** Which letters it may have is checked beside the shape that it is for. */
function checkText(op: string, argument: string, layout: unknown): void {
  if (layout === undefined || typeof layout === 'string') return;
  throw new InvalidArgumentError(op, argument, 'a string, such as "bthc"', describe(layout));
}

function toScale(op: string, scale: unknown, channels: number): number {
  if (scale === undefined) return 1 / Math.sqrt(Math.max(channels, 1));
  if (typeof scale === 'number' && Number.isFinite(scale)) return scale;
  throw new InvalidArgumentError(op, 'scale', 'a finite number', describe(scale));
}
