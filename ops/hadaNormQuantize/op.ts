import { type Tensor, type TensorLike, tidy, zeros } from '@tensorflow/tfjs-core';
import { checkMinRank, toFloatTensor } from '../common/checks.js';
import { InvalidArgumentError } from '../common/errors.js';
import { type OpContract, runOp } from '../common/kernel.js';
import type { QuantizedActivations } from '../common/quantizedActivations.js';
import { checkVectors, resolveAttrs } from './checks.js';
import { hadaNormQuantizeComposite } from './composite.js';

/**
 * Inputs of the `HadaNormQuantize` kernel.
 *
 * Outputs, in this order: codes [..., tokens, d] (int32, or bool with a byte an element), scale and zeroPoint [..., tokens,
 * groups] (float32, groups = ⌈d / groupSize⌉); where centre is 'dynamic' also rest [samples, d], and with a basis
 * coefficients [samples, r].
 */
export interface HadaNormQuantizeInputs {
  readonly x: Tensor; // [..., tokens, d], float32
  readonly scale?: Tensor | undefined; // [d]: σ, the centred x is divided by it
  readonly mean?: Tensor | undefined; // [d]: subtracted where centre is 'static', the origin of `rest` where 'dynamic'
  readonly basis?: Tensor | undefined; // [r, d], where centre is 'dynamic'
}

/** Attributes of the `HadaNormQuantize` kernel, all resolved. */
export interface HadaNormQuantizeAttrs {
  readonly bits: number; // 2 to 8
  readonly symmetric: boolean;
  readonly groupSize: number; // channels of a token that share a scale, 1 to d; d: one scale a token
  readonly range: StaticRange | null; // null: each group's own minimum and maximum
  readonly centre: 'none' | 'static' | 'dynamic';
  readonly blockSize: number; // channels that one Hadamard matrix mixes; 0: no rotation
}

/** One range for the whole tensor, widened to hold 0; values outside are clamped. */
export interface StaticRange {
  readonly min: number;
  readonly max: number;
}

/** Options of `hadaNormQuantize`. */
export interface HadaNormQuantizeOptions {
  /** Bits a code, 2 to 8. Default 8. */
  bits?: number;
  /** Symmetric codes around 0. Default false: a zero point for each scale. */
  symmetric?: boolean;
  /** Neighbouring channels of a token that share a scale. Default all of them. */
  groupSize?: number;
  /** A static range for the whole tensor. Default: dynamic, each group's own minimum and maximum. */
  range?: StaticRange;
  /** What is subtracted: the mean over the tokens of each sample, the given `mean`, or nothing. Default 'dynamic'. */
  centre?: 'none' | 'static' | 'dynamic';
  /** Channel scale σ, float32 [d]: the centred x is divided by it. Default none. */
  scale?: Tensor | TensorLike;
  /** float32 [d]. Needed by centre 'static'; with 'dynamic' the part of the means that needs no multiplying. */
  mean?: Tensor | TensorLike;
  /** Orthonormal directions of the means' variation, float32 [r, d], with centre 'dynamic'. Default none. */
  basis?: Tensor | TensorLike;
  /** Channels that one Hadamard matrix mixes; 0 for no rotation. Default d. */
  blockSize?: number;
}

/** What an absent option means. */
export const HADANORM_QUANTIZE_DEFAULTS = {
  bits: 8,
  symmetric: false,
  centre: 'dynamic',
} as const satisfies HadaNormQuantizeOptions;

/** What `hadaNormQuantize` returns. */
export interface HadaNormQuantizeResult {
  /** Codes of x' = ((x − μ) / σ) H. */
  readonly quantized: QuantizedActivations;
  /** Where centre is 'dynamic': (off − c B) H with off = (μ − mean) / σ, float32 [samples, d]; else null. */
  readonly rest: Tensor | null;
  /** c = off Bᵀ, float32 [samples, r]; null without a basis. */
  readonly coefficients: Tensor | null;
}

/** The contract that every backend's kernel fulfils. */
export const hadaNormQuantizeOp: OpContract<HadaNormQuantizeInputs, HadaNormQuantizeAttrs> = {
  kernelName: 'HadaNormQuantize',
  composite: hadaNormQuantizeComposite,
};

/**
 * Centres, scales, rotates and quantizes in one go: codes of x' = ((x − μ) / σ) H, and the means that came out.
 *
 * The codes are those of `fakeQuant` behind `hadamardTransform` behind `channelCenter`: scale · (code − zeroPoint) is what
 * it gives, to the last bit where the backend's arithmetic is the same. Symmetric codes have 2^(bits−1) added, which is
 * their zero point. A group that `fakeQuant` would give a NaN in has the scale NaN and codes and zero point 0.
 * Everything before the last two axes of x is a sample. For inference: it has no gradient.
 *
 * @param x float32, [..., tokens, d], rank ≥ 2, at least one token.
 * @returns Codes, scales and zero points; for `quantizedMatMul`, together with `rest` and `coefficients`.
 * @throws InvalidArgumentError for a wrong dtype, shape or option; HadamardSizeError for a block without a matrix.
 * Source: HadaNorm, arXiv 2506.09932, §3.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { hadaNormQuantize } from 'tfjs-hadanorm';
 *
 * const x = tf.tensor2d([[1, 101, 3, 4], [3, 99, 5, 0]]); // 2 tokens, 4 channels
 * const { quantized, rest } = hadaNormQuantize(x, { bits: 4 });
 * quantized.codes.print(); // the large mean of channel 1 takes no codes
 * rest?.print(); // [[54, -48, 48, -50]]: the mean [2, 100, 4, 2], rotated
 * ```
 */
export function hadaNormQuantize(
  x: Tensor | TensorLike,
  options: HadaNormQuantizeOptions = {},
): HadaNormQuantizeResult {
  const op = hadaNormQuantizeOp.kernelName;
  let attrs: HadaNormQuantizeAttrs | null = null;
  const outputs = tidy('hadaNormQuantize', () => {
    const input = toFloatTensor(op, 'x', x);
    checkMinRank(op, input, 2, '[..., tokens, d]');
    const [tokens, d] = input.shape.slice(-2) as [number, number];
    if (tokens === 0 || d === 0) {
      const wanted = 'of at least one token and channel';
      throw new InvalidArgumentError(op, 'x', wanted, `shape [${input.shape}]`);
    }
    attrs = resolveAttrs(op, d, options, HADANORM_QUANTIZE_DEFAULTS);
    const vectors = checkVectors(op, d, attrs, options);
    if (input.size === 0) return emptyOutputs(input.shape, attrs, vectors.basis);
    return runOp<HadaNormQuantizeInputs, HadaNormQuantizeAttrs, Tensor[]>(
      hadaNormQuantizeOp,
      { x: input, ...vectors },
      attrs,
    );
  });
  const [codes, scale, zeroPoint, rest, coefficients] = outputs as [
    Tensor,
    Tensor,
    Tensor,
    Tensor?,
    Tensor?,
  ];
  const { bits, groupSize } = attrs!;
  const quantized = { codes, scale, zeroPoint, bits, groupSize };
  return { quantized, rest: rest ?? null, coefficients: coefficients ?? null };
}

function emptyOutputs(
  shape: readonly number[],
  { groupSize, centre }: HadaNormQuantizeAttrs,
  basis: Tensor | undefined,
): Tensor[] {
  const d = shape[shape.length - 1]!;
  const rows = shape.slice(0, -1);
  const samples = rows.slice(0, -1).reduce((product, dim) => product * dim, 1);
  const groups = [...rows, Math.ceil(d / groupSize)];
  const means = centre === 'dynamic' ? [zeros([samples, d])] : [];
  if (basis !== undefined) means.push(zeros([samples, basis.shape[0]!]));
  return [zeros([...shape], 'int32'), zeros(groups), zeros(groups), ...means];
}
