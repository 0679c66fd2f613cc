import type { Tensor } from '@tensorflow/tfjs-core';
import { flagged, type NodeContract } from '../common/contract.js';
import { type Float32Format, fitsIn, type GroupedFormat } from '../numerics/formats.js';

/** Inputs of the `QuantizedMatMul` kernel. */
export interface QuantizedMatMulInputs {
  /**
   * [..., tokens, d]: float32; or, where attribute xFormat is of codes, these as int32 or bool (a
   * byte an element).
   */
  readonly x: Tensor;
  // [..., tokens, xGroups]; there exactly where x is codes
  readonly xScale?: Tensor | undefined;
  // [..., tokens, xGroups], integers as float32; beside xScale
  readonly xZeroPoint?: Tensor | undefined;
  // bool [bytes]: packed codes, one byte an element; or float32 [d, n] where that is the format
  readonly codes: Tensor;
  readonly scale?: Tensor | undefined; // [groups, n]; absent for float32
  readonly bias?: Tensor | undefined; // [n]
  readonly residual?: Tensor | undefined; // [samples, d]
  readonly coefficients?: Tensor | undefined; // [samples, r]
  // [k, n]; k = r where there is no basisScale, else r ≤ k ≤ 2r
  readonly basis?: Tensor | undefined;
  readonly basisScale?: Tensor | undefined; // [k]
  // the next three only for kernels that say that they take them (common/directions.ts)
  readonly along?: Tensor | undefined; // (x' + δ) V: [..., tokens, r]
  // R: [k, n]; k = r where there is no directionScale, else r ≤ k ≤ 2r
  readonly directionWeights?: Tensor | undefined;
  readonly directionScale?: Tensor | undefined; // [k]
}

/** Attributes of the `QuantizedMatMul` kernel. */
export interface QuantizedMatMulAttrs {
  readonly format: ProductFormat; // of W: groups of its rows; the last one may be shorter
  readonly xFormat: ProductFormat; // of x: groups of a token's channels
  readonly d: number;
  readonly n: number;
  readonly activation: Activation;
}

/** What a product takes: codes of 2 to 8 bits in groups of at most d along d; or float32. */
export type ProductFormat = GroupedFormat | Float32Format;

/** Attributes of codes by codes, which kernels multiply as integers. */
export interface CodesAttrs extends QuantizedMatMulAttrs {
  readonly format: GroupedFormat;
  readonly xFormat: GroupedFormat;
}

/** Whether both sides are codes. */
export function areCodes(attrs: QuantizedMatMulAttrs): attrs is CodesAttrs {
  return attrs.format.kind === 'uniform' && attrs.xFormat.kind === 'uniform';
}

/** Neighbours along d that share a scale; all of them where numbers have none. */
export function groupSizeOf(format: ProductFormat, d: number): number {
  switch (format.kind) {
    case 'float32':
      return d;
    case 'uniform':
      return format.granularity.groupSize;
    default:
      return format satisfies never;
  }
}

/**
 * What is applied to the result: gelu is the exact one (erf), geluTanh its approximation by tanh.
 */
export type Activation = 'none' | 'gelu' | 'geluTanh' | 'silu' | 'relu';

/** Weights of a `quantizedMatMul`. */
export interface PackedWeights {
  /**
   * Packed codes, a byte an element (dtype bool: the one byte-sized dtype of tfjs); float32 [d, n]
   * where bits is 32.
   */
  readonly codes: Tensor;
  /** float32 [groups, n], groups = ⌈d / groupSize⌉; none where bits is 32. */
  readonly scale?: Tensor | undefined;
  /** Bits a code, 2 to 8; 32 for weights that are not quantized. */
  readonly bits: number;
  /** Neighbours along d that share a scale. */
  readonly groupSize: number;
  /** The shape of the matrix. */
  readonly shape: readonly [d: number, n: number];
}

/** Options of `quantizedMatMul`. */
export interface QuantizedMatMulOptions {
  /** float32 [n], added to every token. */
  bias?: Tensor;
  /**
   * float32 [samples, d]: a row per sample that goes through the weights and is added to its
   * tokens' results.
   */
  residual?: Tensor;
  /** @deprecated Now `residual`. */
  rest?: Tensor;
  /**
   * float32 [samples, r], with `basis`: their product is added to the results of the sample's
   * tokens.
   */
  coefficients?: Tensor;
  /** float32 [r, n]. */
  basis?: Tensor;
  /**
   * float32 [k], for a `basis` [k, n] stored in coarse steps, r ≤ k ≤ 2r: row i times scale i
   * belongs to coefficient i, or from r on to coefficient i − r, as what the coarse steps left of
   * the row before.
   */
  basisScale?: Tensor;
  /**
   * float32 [..., tokens, r], with `directionWeights`: their product is added to each token's
   * result. `hadaNormQuantize` gives it for directions.
   */
  along?: Tensor;
  /** float32 [r, n]; with a `directionScale` [k, n]. */
  directionWeights?: Tensor;
  /** float32 [k], r ≤ k ≤ 2r, for weights stored in coarse steps: as `basisScale` for `basis`. */
  directionScale?: Tensor;
  /** Applied to the sum of all. Default 'none'. */
  activation?: Activation;
}

/** What decides which kernel runs. */
export type QuantizedMatMulForm = Pick<QuantizedMatMulAttrs, 'format' | 'xFormat' | 'd'>;

/** What every kernel of the op, and every graph that has it, agree on. */
export const quantizedMatMulContract: NodeContract<
  keyof QuantizedMatMulInputs,
  QuantizedMatMulForm
> = {
  kernelName: 'QuantizedMatMul',
  arithmetic: ({ xFormat }) => (xFormat.kind === 'float32' ? 'float' : 'integer'),
  supports: ({ format, xFormat }) => {
    if (xFormat.kind === 'float32' || fitsIn(format, 8)) return null;
    return 'the weights are not quantized';
  },
  inputNames: (attrs) => [
    'x',
    'codes',
    ...(attrs.number('bits') === 32 ? [] : ['scale' as const]),
    ...flagged<keyof QuantizedMatMulInputs>(attrs, [
      ['hasCodes', 'xScale', 'xZeroPoint'],
      ['hasBias', 'bias'],
      ['hasRest', 'residual'],
      ['hasBasis', 'coefficients', 'basis'],
      ['hasBasisScale', 'basisScale'],
      ['hasDirections', 'along', 'directionWeights'],
      ['hasDirectionsScale', 'directionScale'],
    ]),
  ],
  outputShapes: ({ x = null }, attrs) => [
    x === null ? null : [...x.slice(0, -1), attrs.number('n') ?? null],
  ],
};
