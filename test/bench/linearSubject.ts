import * as tf from '@tensorflow/tfjs';
import type { LinearWeights } from '../../models/builder/linear.js';
import { hadamardPlan, orthonormalRow } from '../../ops/numerics/hadamard.js';
import { packCodes } from '../../ops/numerics/packing.js';
import {
  type HadaNormQuantizeOptions,
  hadamardTransform,
  hadaNormQuantize,
  type PackedWeights,
  quantizedMatMul,
} from '../../src/index.js';
import { quantizeNearest } from '../../src/quantize/uniform.js';
import { weightQuantizer } from '../harness/numbers/formats.js';
import { normal } from '../harness/numbers/random.js';
import { readValues } from './wasmVariants.js';

/**
 * How a linear is quantized: bits of the weights, bits of the activations; groups share a scale
 * below 8 bits.
 */
export const PRECISIONS = {
  W8A8: { weights: 8, activations: 8 },
  W4A8: { weights: 4, activations: 8 },
  W4A4: { weights: 4, activations: 4 },
} as const;

export type Precision = keyof typeof PRECISIONS;

/** Channels that share a scale where not all do. */
const GROUP = 64;

/**
 * Rows of the mean's basis that a rewritten model stores twice: in coarse steps, and what those
 * left.
 */
const FINE_ROWS = 2;

/** Directions of the branch. */
export const BRANCH_RANK = 16;

/** The parts of HadaNorm that do not depend on the precision. */
interface Parts {
  readonly scale: tf.Tensor; // [d]
  readonly mean: tf.Tensor; // [d]
  readonly basis: tf.Tensor; // [r, d]
  readonly basisProduct: tf.Tensor; // [r + FINE_ROWS, n]
  readonly basisScale: tf.Tensor; // [r + FINE_ROWS]
  readonly bias: tf.Tensor; // [n], with the static mean's product
  readonly directions: tf.Tensor; // [d, BRANCH_RANK]
  readonly directionWeights: tf.Tensor; // [BRANCH_RANK + FINE_ROWS, n]
  readonly directionScale: tf.Tensor; // [BRANCH_RANK + FINE_ROWS]
}

/** A linear with all that HadaNorm makes of it, on the current backend. */
export class LinearSubject {
  readonly matrix: tf.Tensor2D; // [d, n]
  readonly bias: tf.Tensor1D; // [n]
  private readonly parts: Parts;
  private readonly packed: Readonly<Record<Precision, PackedWeights>>;
  private readonly means: Float32Array;

  constructor(
    readonly d: number,
    readonly n: number,
  ) {
    const random = (size: number, seed: number, std: number) => normal(size, seed + d + n, 0, std);
    this.matrix = tf.tensor2d(random(d * n, 1, d ** -0.5), [d, n]);
    this.bias = tf.tensor1d(random(n, 2, 0.2));
    this.means = random(d, 3, 1);
    this.parts = this.makeParts(random(d, 4, 0.3).map((v) => Math.sign(v) * Math.exp(v)));
    this.packed = {
      W8A8: this.pack(PRECISIONS.W8A8.weights, d),
      W4A8: this.pack(PRECISIONS.W4A8.weights, GROUP),
      W4A4: this.pack(PRECISIONS.W4A4.weights, GROUP),
    };
  }

  /** The linear as it is, on the JavaScript side. */
  get linear(): LinearWeights {
    const matrix = this.matrix.dataSync<'float32'>();
    const bias = this.bias.dataSync<'float32'>();
    return { inputs: this.d, outputs: this.n, matrix, bias };
  }

  /** Seeded activations [tokens, d] of one sample, with a mean, most of which is the static one. */
  activations(tokens: number): Float32Array {
    const { d, means } = this;
    return normal(tokens * d, 9 + d).map((v, i) => v + 1.1 * means[i % d]!);
  }

  /** The float32 linear, in tfjs's own kernel. x: [tokens, d]. */
  float(x: tf.Tensor2D): tf.Tensor2D {
    return tf.fused.matMul({ a: x, b: this.matrix, bias: this.bias }) as tf.Tensor2D;
  }

  /**
   * The whole way of a rewritten linear: center, scale, rotate, quantize, multiply, add the mean's
   * product and bias.
   */
  hadanorm(x: tf.Tensor2D, precision: Precision): tf.Tensor {
    const { scale, mean, basis, basisProduct, basisScale, bias } = this.parts;
    const options = { ...quantizer(precision), center: 'dynamic', scale, mean, basis } as const;
    const { quantized, residual, coefficients } = hadaNormQuantize(x, options);
    const rows = {
      residual: residual!,
      coefficients: coefficients!,
      basis: basisProduct,
      basisScale,
    };
    return quantizedMatMul(quantized, this.packed[precision], { bias, ...rows });
  }

  /**
   * The same beside a branch, which carries the means along: there is no basis of them. Few bits
   * have it subtracted, as a rewritten model does.
   */
  branch(x: tf.Tensor2D, precision: Precision): tf.Tensor {
    const { scale, mean, bias, directions, directionWeights, directionScale } = this.parts;
    const subtract = PRECISIONS[precision].activations < 8;
    const options = { ...quantizer(precision), scale, mean, directions, subtract };
    const { quantized, residual, along } = hadaNormQuantize(x, options);
    const rows = { residual: residual!, along: along!, directionWeights, directionScale };
    return quantizedMatMul(quantized, this.packed[precision], { bias, ...rows });
  }

  /** The same without branch and basis: what the branch costs in itself. */
  withoutBasis(x: tf.Tensor2D, precision: Precision): tf.Tensor {
    const { scale, mean, bias } = this.parts;
    const { quantized, residual } = hadaNormQuantize(x, { ...quantizer(precision), scale, mean });
    const rows = { residual: residual! };
    return quantizedMatMul(quantized, this.packed[precision], { bias, ...rows });
  }

  /** The product by the packed weights alone, for codes that are made once. */
  quantized(
    x: tf.Tensor2D,
    precision: Precision,
  ): { multiply: () => tf.Tensor; dispose: () => void } {
    const { quantized, residual, coefficients } = hadaNormQuantize(x, quantizer(precision));
    const { codes, scale, zeroPoint } = quantized;
    return {
      multiply: () => quantizedMatMul(quantized, this.packed[precision]),
      dispose: () => tf.dispose([codes, scale, zeroPoint, residual!, coefficients ?? []]),
    };
  }

  /** Dynamic quantization without HadaNorm; the same work, another result. */
  plain(x: tf.Tensor2D, precision: Precision): tf.Tensor {
    const options = { ...quantizer(precision), center: 'none', blockSize: 0 } as const;
    const { quantized } = hadaNormQuantize(x, options);
    return quantizedMatMul(quantized, this.packed[precision], { bias: this.parts.bias });
  }

  dispose(): void {
    const packed = Object.values(this.packed).flatMap(({ codes, scale }) => [codes, scale!]);
    tf.dispose([this.matrix, this.bias, ...Object.values(this.parts), ...packed]);
  }

  private makeParts(scales: Float32Array): Parts {
    const { d, n, matrix } = this;
    const rank = Math.max(8, Math.min(32, Math.round(Math.min(d, n) / 48)));
    const plan = hadamardPlan('bench', d);
    const directions = new Float32Array(rank * d);
    for (let i = 0; i < rank; i++) directions.set(orthonormalRow(plan, i + 1), i * d);
    return tf.tidy(() => {
      const [scale, mean] = [tf.tensor1d(scales), tf.tensor1d(this.means)];
      const basis = tf.tensor2d(directions, [rank, d]);
      const along = tf.matMul(basis, tf.mul(tf.reshape(scale, [d, 1]), matrix));
      const fromMean = tf.reshape(tf.matMul(tf.reshape(mean, [1, d]), matrix), [n]);
      const finer = tf.zeros([FINE_ROWS, n]);
      const basisScale = tf.ones([rank + FINE_ROWS]);
      const bias = tf.add(this.bias, fromMean);
      const means = { scale, mean, basis, basisProduct: tf.concat([along, finer]), basisScale };
      return { ...means, bias, ...this.branchParts() };
    });
  }

  /** Any directions and weights of them: what is measured does not depend on them. */
  private branchParts(): Pick<Parts, 'directions' | 'directionWeights' | 'directionScale'> {
    const { d, n } = this;
    const rows = BRANCH_RANK + FINE_ROWS;
    const codes = normal(rows * n, 5 + d + n, 0, 32).map(Math.round);
    return {
      directions: tf.tensor2d(normal(d * BRANCH_RANK, 6 + d, 0, d ** -0.5), [d, BRANCH_RANK]),
      directionWeights: tf.tensor2d(codes, [rows, n]),
      directionScale: tf.fill([rows], 1e-4),
    };
  }

  /** W' = Hᵀ diag(σ) W in panels of codes. */
  private pack(bits: number, groupSize: number): PackedWeights {
    const { d, n } = this;
    const transformed = readValues(() => {
      const columns = tf.mul(tf.transpose(this.matrix), this.parts.scale);
      return tf.transpose(hadamardTransform(columns));
    });
    const quantized = quantizeNearest(transformed, d, n, weightQuantizer(bits, groupSize, 'none'));
    const groups = quantized.scale.length / n;
    return {
      codes: tf.tensor1d(packCodes(quantized.codes, d, n, bits), 'bool'),
      scale: tf.tensor2d(quantized.scale, [groups, n]),
      bits,
      groupSize: quantized.format.granularity.groupSize,
      shape: [d, n],
    };
  }
}

function quantizer(precision: Precision): HadaNormQuantizeOptions {
  const { activations: bits } = PRECISIONS[precision];
  return bits < 8 ? { bits, groupSize: GROUP } : { bits };
}
