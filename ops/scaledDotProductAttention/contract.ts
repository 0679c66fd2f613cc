import type { Tensor, TensorLike } from '@tensorflow/tfjs-core';
import type { OpContract } from '../common/contract.js';

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
  layouts?: { q?: string; k?: string; v?: string; output?: string };
}

/** What every kernel of the op, and every graph that has it, agree on. */
export const attentionContract: OpContract<unknown> = {
  kernelName: 'ScaledDotProductAttention',
  arithmetic: () => 'float',
  supports: () => null,
};
