import { type TypedArray, tensor, tidy } from '@tensorflow/tfjs-core';
import { withDirections } from '../common/directions.js';
import { defineKernel } from '../common/kernel.js';
import {
  codeOffset,
  nearestCode,
  type QuantizationParameters,
  quantizationParameters,
} from '../numerics/formats.js';
import { quantizationLayout } from '../numerics/quantization.js';
import { rangesOf } from '../numerics/ranges.js';
import {
  type HadaNormQuantizeAttrs,
  type HadaNormQuantizeInputs,
  hadaNormQuantizeContract,
} from './contract.js';
import { quantizeAlong } from './directions.js';
import { type Quantize, transformAndQuantize } from './transform.js';

/** The other ops' own kernels, and one pass over their result for the codes. */
export const hadaNormQuantizeCpu = withDirections(
  defineKernel<HadaNormQuantizeInputs, HadaNormQuantizeAttrs, unknown>(
    hadaNormQuantizeContract,
    'cpu',
    ({ inputs, attrs }) => {
      const run = inputs.directions === undefined ? transformAndQuantize : quantizeAlong;
      return tidy(() => run(inputs, attrs, quantizeOnHost));
    },
  ),
);

const quantizeOnHost: Quantize = (x, attrs) => {
  const d = x.shape[x.rank - 1]!;
  const { codes, scale, zeroPoint } = quantizeValues(x.dataSync(), d, attrs);
  const shape = [...x.shape.slice(0, -1), Math.ceil(d / attrs.format.granularity.groupSize)];
  return [tensor(codes, x.shape, 'int32'), tensor(scale, shape), tensor(zeroPoint, shape)];
};

/** Codes [rows, d], scales and zero points [rows, groups] of x [rows, d]. */
function quantizeValues(x: TypedArray, d: number, attrs: HadaNormQuantizeAttrs) {
  const { format } = attrs;
  const { groupSize } = format.granularity;
  const parameters = parametersOf(x, d, attrs);
  const { scale, zeroPoint, low, high } = parameters;
  const codes = new Int32Array(x.length);
  const offset = codeOffset(format);
  for (let at = 0, group = 0; at < x.length; group++) {
    const end = Math.min(at + groupSize, Math.floor(at / d) * d + d);
    if (Number.isNaN(scale[group]!)) {
      zeroPoint[group] = 0;
      at = end;
      continue;
    }
    const origin = zeroPoint[group]! + offset;
    zeroPoint[group] = origin;
    for (; at < end; at++) {
      const quotient = Math.fround(x[at]! / scale[group]!);
      codes[at] = nearestCode(quotient, low[group]!, high[group]!) + origin;
    }
  }
  return { codes, scale, zeroPoint };
}

function parametersOf(
  x: TypedArray,
  d: number,
  { format, range }: HadaNormQuantizeAttrs,
): QuantizationParameters {
  const rows = x.length / d;
  if (range === null) {
    const layout = quantizationLayout(format.granularity, [rows, d]);
    return quantizationParameters(format, rangesOf(x, layout, null));
  }
  const lo = new Float32Array(rows).fill(Math.min(range.min, 0));
  const hi = new Float32Array(rows).fill(Math.max(range.max, 0));
  // ±Inf is clamped, a NaN has no code
  for (let at = 0; at < x.length; at++)
    if (Number.isNaN(x[at])) lo[Math.floor(at / d)] = Number.NaN;
  return quantizationParameters(format, { lo, hi });
}
