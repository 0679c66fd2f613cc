import type { Tensor } from '@tensorflow/tfjs-core';
import { flagged, type NodeContract } from '../common/contract.js';

/** Inputs of the `QuantizedMatMul` kernel. */
export interface QuantizedMatMulInputs {
  /**
   * [..., tokens, d]: float32; or, where attribute xBits is not 0, codes as int32 or bool (a byte
   * an element).
   */
  readonly x: Tensor;
  // [..., tokens, xGroups]; there exactly where xBits is not 0
  readonly xScale?: Tensor | undefined;
  // [..., tokens, xGroups], integers as float32; beside xScale
  readonly xZeroPoint?: Tensor | undefined;
  // bool [bytes]: packed codes, one byte an element; or float32 [d, n] where bits is 32
  readonly codes: Tensor;
  readonly scale?: Tensor | undefined; // [groups, n]; absent where bits is 32
  readonly bias?: Tensor | undefined; // [n]
  readonly residual?: Tensor | undefined; // [samples, d]
  readonly coefficients?: Tensor | undefined; // [samples, r]
  // [k, n]; k = r where there is no basisScale, else r ≤ k ≤ 2r
  readonly basis?: Tensor | undefined;
  readonly basisScale?: Tensor | undefined; // [k]
}

/** Attributes of the `QuantizedMatMul` kernel. */
export interface QuantizedMatMulAttrs {
  readonly bits: number; // 2 to 8, or 32 for float32 weights
  readonly groupSize: number; // rows of W that share a scale; the last group may be shorter
  readonly d: number;
  readonly n: number;
  readonly xBits: number; // bits of the codes in x, 2 to 8; 0 where x is float32
  readonly xGroupSize: number; // channels of x that share a scale, at most d; d where x is float32
  readonly activation: Activation;
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
  /** Applied to the sum of all. Default 'none'. */
  activation?: Activation;
}

/** What decides which kernel runs. */
export type QuantizedMatMulForm = Pick<
  QuantizedMatMulAttrs,
  'bits' | 'groupSize' | 'd' | 'xBits' | 'xGroupSize'
>;

/** What every kernel of the op, and every graph that has it, agree on. */
export const quantizedMatMulContract: NodeContract<
  keyof QuantizedMatMulInputs,
  QuantizedMatMulForm
> = {
  kernelName: 'QuantizedMatMul',
  arithmetic: ({ xBits }) => (xBits === 0 ? 'float' : 'integer'),
  supports: ({ bits, xBits }) => (xBits > 0 && bits > 8 ? 'the weights are not quantized' : null),
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
    ]),
  ],
  outputShapes: ({ x = null }, attrs) => [
    x === null ? null : [...x.slice(0, -1), attrs.number('n') ?? null],
  ],
};
