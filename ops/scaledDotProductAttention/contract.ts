import type { Tensor, TensorLike } from '@tensorflow/tfjs-core';
import {
  flagged,
  type InputShapes,
  type NodeAttrs,
  type NodeContract,
} from '../common/contract.js';
import { broadcast, type Dim, type Dims } from '../numerics/lengths.js';
import { type Layouts, resolveLayouts } from './layout.js';

/** Inputs of the `ScaledDotProductAttention` kernel; q, k and v may be one tensor. All float32. */
export interface AttentionInputs {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  // [b | 1, h | 1, queries | 1, keys | 1], leading ones may be left out
  readonly mask?: Tensor | undefined;
}

/**
 * Attributes of the `ScaledDotProductAttention` kernel: what the axes are, one character per axis
 * (see `viewOf`).
 */
export interface AttentionAttrs {
  readonly qLayout: string;
  readonly kLayout: string;
  readonly vLayout: string;
  readonly outputLayout: string;
  readonly scale: number;
}

/** Options of `scaledDotProductAttention`. */
export interface AttentionOptions {
  /**
   * Added to the scaled scores, float32, broadcast to [samples, heads, queries, keys]. −∞ hides a
   * key. Default none.
   */
  mask?: Tensor | TensorLike;
  /** What q · k is multiplied with. Default 1 / sqrt(channels). */
  scale?: number;
  /**
   * What the axes of q, k, v and the output are, a character each: b samples, h heads, t tokens, c
   * channels (always last), or a digit: of that axis this index is read. Default by rank: 'tc',
   * 'btc', 'bhtc'; the output's is that of q.
   */
  layouts?: Layouts;
}

/** What every kernel of the op, and every graph that has it, agree on. */
export const attentionContract: NodeContract<keyof AttentionInputs, unknown> = {
  kernelName: 'ScaledDotProductAttention',
  arithmetic: () => 'float',
  supports: () => null,
  inputNames: (attrs) => ['q', 'k', 'v', ...flagged<'mask'>(attrs, [['hasMask', 'mask']])],
  outputShapes: (inputs, attrs) => [resultShape(inputs, layoutsOf(attrs))],
};

/** The layouts in the attributes of a node, as options of the op. */
export function layoutsOf(attrs: NodeAttrs): Layouts {
  const layouts = { q: 'qLayout', k: 'kLayout', v: 'vLayout', output: 'outputLayout' };
  const named = Object.entries(layouts).map(([name, attr]) => [name, attrs.string(attr)]);
  return Object.fromEntries(named.filter(([, layout]) => layout !== undefined));
}

function resultShape(
  { q, k, v, mask }: InputShapes<keyof AttentionInputs>,
  layouts: Layouts,
): Dims | null {
  if (q == null || k == null || v == null) return null;
  const ranks = { q: q.length, k: k.length, v: v.length };
  const { qLayout, kLayout, vLayout, outputLayout } = resolveLayouts(layouts, ranks);
  const lengths = (name: string) => [
    lengthOf(q, qLayout.indexOf(name)),
    lengthOf(k, kLayout.indexOf(name)),
    lengthOf(v, vLayout.indexOf(name)),
  ];
  const inMask = (fromEnd: number) =>
    mask === null ? null : lengthOf(mask ?? [], (mask?.length ?? 0) - fromEnd);
  return [...outputLayout].map((name) => {
    const own = lengths(name);
    if (name === 't') return own[0]!;
    if (name === 'c') return own[2]!;
    // one sample or head stands for all
    return [...own, inMask(name === 'b' ? 4 : 3)].reduce(broadcast)!;
  });
}

/** 1 where there is no such axis. */
function lengthOf(shape: Dims, axis: number): Dim | null {
  return axis < 0 || axis >= shape.length ? 1 : shape[axis]!;
}
