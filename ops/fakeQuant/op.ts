import { type Tensor, type TensorLike, tidy } from '@tensorflow/tfjs-core';
import { checkBoolean, checkInteger, checkOptions, toFloatTensor } from '../common/checks.js';
import { resolveGranularity } from '../common/granularity.js';
import { runOp } from '../common/kernel.js';
import { describe, InvalidArgumentError } from '../numerics/errors.js';
import { type QuantizationLayout, quantizationLayout } from '../numerics/quantization.js';
import { fakeQuantOp } from './composite.js';
import { type FakeQuantOptions, fakeQuantContract, type QuantizationRange } from './contract.js';

/** What an absent option means. `range` defaults to dynamic. */
export const FAKE_QUANT_DEFAULTS = {
  bits: 8,
  symmetric: false,
  granularity: { kind: 'perToken' },
} as const satisfies FakeQuantOptions;

/**
 * Quantizes and dequantizes: y = scale · (clamp(round(x / scale) + zeroPoint) − zeroPoint), ties to
 * even.
 *
 * With a dynamic range, NaN or Inf anywhere in a group makes that whole group NaN: it has no
 * meaningful scale. With a static range ±Inf is clamped and NaN stays NaN. A group of zeros stays
 * zeros. Scales are at least 2^−120, so that magnitudes below 2^−121 become 0 on every backend. The
 * gradient is straight-through: dy inside the range, 0 outside; a dynamic range has no outside.
 *
 * @param x float32, any shape.
 * @returns float32, the shape of x.
 * @throws InvalidArgumentError for a wrong dtype, bits, granularity or range.
 * Source: Jacob et al., arXiv 1712.05877, §2.1 (affine quantizer); straight-through: Bengio et al.,
 * arXiv 1308.3432.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { fakeQuant } from 'tfjs-hadanorm';
 *
 * const x = tf.tensor2d([[-1, 0, 0.4, 2], [0, 10, 20, 30]]);
 * fakeQuant(x, { bits: 2 }).print(); // [[-1, 0, 0, 2], [0, 10, 20, 30]]: four values per token
 * const granularity = { kind: 'perGroup', groupSize: 2 } as const;
 * fakeQuant(x, { bits: 4, symmetric: true, granularity }).print();
 * fakeQuant(x, { granularity: { kind: 'perTensor' }, range: { min: -1, max: 1 } }).print();
 * ```
 */
export function fakeQuant<T extends Tensor>(x: T | TensorLike, options: FakeQuantOptions = {}): T {
  const op = fakeQuantContract.kernelName;
  checkOptions(op, options, ['bits', 'symmetric', 'granularity', 'range']);
  const {
    bits = FAKE_QUANT_DEFAULTS.bits,
    symmetric = FAKE_QUANT_DEFAULTS.symmetric,
    granularity = FAKE_QUANT_DEFAULTS.granularity,
  } = options;
  checkInteger(op, 'bits', bits, 2, 16);
  checkBoolean(op, 'symmetric', symmetric);
  return tidy('fakeQuant', () => {
    const input = toFloatTensor(op, 'x', x);
    const resolved = resolveGranularity(op, granularity, input.shape);
    if (input.size === 0) return input.clone() as T;
    const range =
      options.range === undefined
        ? null
        : checkRange(op, options.range, quantizationLayout(resolved, input.shape));
    const codes = symmetric ? 'symmetric' : 'unsigned';
    const format = { kind: 'uniform', bits, codes, granularity: resolved } as const;
    return runOp(fakeQuantOp, { x: input }, { format, range }) as Tensor as T;
  });
}

function checkRange(
  op: string,
  range: QuantizationRange,
  { numGroups }: QuantizationLayout,
): QuantizationRange {
  checkOptions(op, range, ['min', 'max'], 'range');
  const min = checkBound(op, 'range.min', range.min, numGroups);
  const max = checkBound(op, 'range.max', range.max, numGroups);
  for (let g = 0; g < numGroups; g++) {
    const lo = typeof min === 'number' ? min : min[g]!;
    const hi = typeof max === 'number' ? max : max[g]!;
    if (lo > hi) {
      throw new InvalidArgumentError(op, 'range', 'min ≤ max', `[${lo}, ${hi}] in group ${g}`);
    }
  }
  return { min, max };
}

function checkBound(
  op: string,
  argument: string,
  bound: unknown,
  numGroups: number,
): number | number[] {
  const wanted = `a finite float32 number, or ${numGroups} of them, one per group`;
  const isFloat = (value: unknown) =>
    typeof value === 'number' && Number.isFinite(Math.fround(value));
  if (isFloat(bound)) return bound as number;
  if (Array.isArray(bound) && bound.length === numGroups && bound.every(isFloat)) return bound;
  throw new InvalidArgumentError(op, argument, wanted, describe(bound));
}
