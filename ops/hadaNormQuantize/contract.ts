import type { Tensor, TensorLike } from '@tensorflow/tfjs-core';
import { flagged, type NodeAttrs, type NodeContract } from '../common/contract.js';
import type { QuantizedActivations } from '../common/quantizedActivations.js';
import { hadamardTransformContract } from '../hadamardTransform/contract.js';
import type { GroupedFormat } from '../numerics/formats.js';
import { type Dim, product } from '../numerics/lengths.js';

/**
 * Inputs of the `HadaNormQuantize` kernel.
 *
 * Outputs, in this order: codes [..., tokens, d] (int32, or bool with a byte an element), scale and
 * zeroPoint [..., tokens, groups] (float32, groups = ⌈d / groupSize⌉); where center is 'dynamic'
 * also residual [samples, d], and with a basis coefficients [samples, r]; with directions, last,
 * what goes along them [..., tokens, r].
 */
export interface HadaNormQuantizeInputs {
  readonly x: Tensor; // [..., tokens, d], float32
  readonly scale?: Tensor | undefined; // [d]: σ, the centered x is divided by it
  // [d]: subtracted where center is 'static', the origin of `residual` where 'dynamic'
  readonly mean?: Tensor | undefined;
  readonly basis?: Tensor | undefined; // [r, d], where center is 'dynamic'
  // [..., tokens], float32, where center is 'dynamic': tokens of 0 stay out of the mean
  readonly mask?: Tensor | undefined;
  // [d, r]: V; only for kernels that say that they take it (common/directions.ts)
  readonly directions?: Tensor | undefined;
}

/** Attributes of the `HadaNormQuantize` kernel, all resolved. */
export interface HadaNormQuantizeAttrs {
  // 2 to 8 bits, groups of a token's channels, 1 to d; d: one scale a token
  readonly format: GroupedFormat;
  readonly range: StaticRange | null; // null: each group's own minimum and maximum
  readonly center: 'none' | 'static' | 'dynamic';
  readonly blockSize: number; // channels that one Hadamard matrix mixes; 0: no rotation
  // with directions: x' − (x' V) Vᵀ has the codes, in the place of x', and so the residual
  readonly subtract?: boolean;
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
  /**
   * A static range for the whole tensor. Default: dynamic, each group's own minimum and maximum.
   */
  range?: StaticRange;
  /**
   * What is subtracted: the mean over the tokens of each sample, the given `mean`, or nothing.
   * Default 'dynamic'.
   */
  center?: 'none' | 'static' | 'dynamic';
  /** @deprecated Now `center`. */
  centre?: 'none' | 'static' | 'dynamic';
  /** Channel scale σ, float32 [d]: the centered x is divided by it. Default none. */
  scale?: Tensor | TensorLike;
  /**
   * float32 [d]. Needed by center 'static'; with 'dynamic' the part of the means that needs no
   * multiplying.
   */
  mean?: Tensor | TensorLike;
  /**
   * Orthonormal directions of the means' variation, float32 [r, d], with center 'dynamic'. Default
   * none.
   */
  basis?: Tensor | TensorLike;
  /**
   * Which tokens the mean is of, [..., tokens], float32, int32 or bool, with center 'dynamic':
   * those that are not 0. Default all of them. The others have codes too.
   */
  mask?: Tensor | TensorLike;
  /** Channels that one Hadamard matrix mixes; 0 for no rotation. Default d. */
  blockSize?: number;
  /**
   * Directions V of x', float32 [d, r], that are to be multiplied apart: (x' + δ) V is given too, δ
   * the residual where center is 'dynamic', else 0. Default none.
   */
  directions?: Tensor | TensorLike;
  /**
   * Take what goes along `directions` out of what has the codes: x' − (x' V) Vᵀ, and of the
   * residual likewise. Default false.
   */
  subtract?: boolean;
}

/** What `hadaNormQuantize` returns. */
export interface HadaNormQuantizeResult {
  /** Codes of x' = ((x − μ) / σ) H. */
  readonly quantized: QuantizedActivations;
  /**
   * Where center is 'dynamic': (off − c B) H with off = (μ − mean) / σ, float32 [samples, d]; else
   * null.
   */
  readonly residual: Tensor | null;
  /** @deprecated Now `residual`. */
  readonly rest: Tensor | null;
  /** c = off Bᵀ, float32 [samples, r]; null without a basis. */
  readonly coefficients: Tensor | null;
  /** (x' + δ) V, float32 [..., tokens, r]; null without directions. */
  readonly along: Tensor | null;
}

/** What decides which kernel runs. */
export type HadaNormQuantizeForm = Pick<HadaNormQuantizeAttrs, 'format' | 'blockSize'>;

/** What an absent option means. */
export const HADANORM_QUANTIZE_DEFAULTS = {
  bits: 8,
  symmetric: false,
  center: 'dynamic',
} as const satisfies HadaNormQuantizeOptions;

/** What every kernel of the op, and every graph that has it, agree on. */
export const hadaNormQuantizeContract: NodeContract<
  keyof HadaNormQuantizeInputs,
  HadaNormQuantizeForm
> = {
  kernelName: 'HadaNormQuantize',
  arithmetic: () => 'integer',
  supports: ({ format: { bits }, blockSize }) => {
    if (bits < 2 || bits > 8) return 'codes have 2 to 8 bits';
    return blockSize === 0 ? null : hadamardTransformContract.supports({ blockSize });
  },
  inputNames: (attrs) => [
    'x',
    ...flagged<'scale' | 'mean' | 'basis' | 'mask' | 'directions'>(attrs, [
      ['hasScale', 'scale'],
      ['hasMean', 'mean'],
      ['hasBasis', 'basis'],
      ['hasMask', 'mask'],
      ['hasDirections', 'directions'],
    ]),
  ],
  outputShapes: ({ x = null, basis, directions }, attrs) => {
    if (x === null) return [];
    const groups = [...x.slice(0, -1), groupCount(x.at(-1) ?? null, attrs.number('groupSize'))];
    const codes = [x, groups, groups];
    const along = directions === undefined ? [] : [[...x.slice(0, -1), directions?.[1] ?? null]];
    if (centerAttr(attrs) !== 'dynamic') return [...codes, ...along];
    const samples = product(x.slice(0, -2));
    const residual = [samples, x.at(-1) ?? null];
    const coefficients = basis === undefined ? [] : [[samples, basis?.[0] ?? null]];
    return [...codes, residual, ...coefficients, ...along];
  },
};

/** What is subtracted, which decides on the outputs; packed files have the attribute's old name. */
export function centerAttr(attrs: NodeAttrs): string {
  return attrs.string('centre') ?? HADANORM_QUANTIZE_DEFAULTS.center;
}

/** Groups of a token; one where there is no group size. */
function groupCount(d: Dim | null, groupSize: number | undefined): Dim | null {
  if (groupSize === undefined || groupSize === d) return 1;
  return typeof d === 'number' && groupSize >= 1 ? Math.ceil(d / groupSize) : null;
}
