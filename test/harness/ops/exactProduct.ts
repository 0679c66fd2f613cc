import type { Activation } from '../../../ops/quantizedMatMul/contract.js';
import { activationReference } from '../../../ops/quantizedMatMul/reference.js';
import { type Segment, segmentsOf } from '../../../ops/wasm/segments.js';
import { EPS } from '../numbers/compare.js';
import type { Product, ProductNumbers } from '../wasm/wasmProduct.js';

/**
 * The kernel for codes takes a row of the residual for 0 where its largest is below:
 * ops/wasm/assembly/gemmRows.ts.
 */
const TINY_REST = 1e-30;

/** Errors of the WASM activations, relative to their argument: ops/wasm/assembly/math.ts. */
export const ACTIVATION_ERRORS: Record<Activation, number> = {
  ...{ none: 0, relu: 0, silu: 1.2e-7, gelu: 2.7e-7, geluTanh: 1.2e-7 },
};

/** Where e^x is taken for 0, an activation of float32 is less than this. */
export const FLUSHED = 3e-36;

/** What the kernels' arithmetic may make of a product, [rows, n]. */
export interface ExactProduct {
  readonly values: Float64Array;
  readonly bounds: Float64Array; // of the difference
  readonly magnitudes: Float64Array; // sums of the magnitudes of what is added up as floats
}

/** A sum, the magnitudes of what was added, and what is lost whatever the precision. */
interface Sum {
  readonly value: number;
  readonly magnitude: number;
  readonly lost: number;
}

/**
 * In float64, from the definition. What is added up as floats counts with its magnitude: whole
 * segments where both sides are codes, whatever the sums within them go through, for those must be
 * exact; single products where they are not.
 */
export function exactProduct(given: Product, numbers: ProductNumbers): ExactProduct {
  const { samples, tokens, n, activation } = given;
  const runs = runsOf(given);
  const size = samples * tokens * n;
  const [values, bounds, magnitudes] = [0, 1, 2].map(() => new Float64Array(size)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const add = (row: number, j: number, others: readonly Sum[]) => {
    const sums = [mainSum(given, numbers, row, j, runs), ...others];
    const value = sums.reduce((sum, part) => sum + part.value, 0);
    const magnitude = sums.reduce((sum, part) => sum + part.magnitude, 0);
    const lost = sums.reduce((sum, part) => sum + part.lost, 0);
    // no activation is steeper than 1.13
    const before = 1.13 * (roundings(given, sums, runs.length) + lost);
    const own = ACTIVATION_ERRORS[activation] * (Math.abs(value) + before);
    const i = row * n + j;
    values[i] = activationReference(value, activation);
    bounds[i] = before + own + (activation === 'none' ? 0 : FLUSHED);
    magnitudes[i] = magnitude;
  };
  for (let sample = 0; sample < samples; sample++) {
    for (let j = 0; j < n; j++) {
      const residual = restSum(given, numbers, sample, j);
      const basis = basisSum(given, numbers, sample, j);
      for (let t = 0; t < tokens; t++) {
        const row = sample * tokens + t;
        add(row, j, [residual, basis, alongSum(given, numbers, row, j)]);
      }
    }
  }
  return { values, bounds, magnitudes };
}

/** Whether the product is one of integers. */
export function isInteger({ k, bits, groupSize, xBits, xGroupSize }: Product): boolean {
  return xBits > 0 && bits < 32 && segmentsOf(k, groupSize, xGroupSize) !== null;
}

function runsOf(given: Product): readonly Pick<Segment, 'start' | 'length'>[] {
  const { k, groupSize, xGroupSize } = given;
  if (isInteger(given)) return segmentsOf(k, groupSize, xGroupSize)!.segments;
  return Array.from({ length: k }, (_, start) => ({ start, length: 1 }));
}

/**
 * Rounded are scales, products and sums; and a residual has three digits, 24 bits in all below its
 * largest. What goes along is added to all others, direction by direction.
 */
function roundings({ basisRows, alongRows }: Product, sums: readonly Sum[], runs: number): number {
  const times = [runs + 6, runs + 14, basisRows + 10, 4];
  const each = sums.map(({ magnitude }, i) => (times[i]! + alongRows) * magnitude);
  return EPS * each.reduce((sum, part) => sum + part, 0);
}

function mainSum(
  { k, n, groupSize, xGroupSize }: Product,
  { x, xScale, xZeroPoint, codes, scale }: ProductNumbers,
  row: number,
  j: number,
  runs: readonly Pick<Segment, 'start' | 'length'>[],
): Sum {
  const groups = Math.ceil(k / xGroupSize);
  let value = 0;
  let magnitude = 0;
  for (const { start, length } of runs) {
    const group = row * groups + Math.floor(start / xGroupSize);
    const zeroPoint = xZeroPoint[group]!;
    let sum = 0;
    for (let i = start; i < start + length; i++) {
      sum += (x[row * k + i]! - zeroPoint) * codes[i * n + j]!;
    }
    const part = sum * xScale[group]! * scale[Math.floor(start / groupSize) * n + j]!;
    value += part;
    magnitude += Math.abs(part);
  }
  return { value, magnitude, lost: 0 };
}

function restSum(given: Product, numbers: ProductNumbers, sample: number, j: number): Sum {
  const { k, n, groupSize } = given;
  const { residual, codes, scale } = numbers;
  if (residual === null) return { value: 0, magnitude: 0, lost: 0 };
  const row = residual.subarray(sample * k, (sample + 1) * k);
  const integer = isInteger(given);
  const top = row.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
  let value = 0;
  let magnitude = 0;
  row.forEach((v, i) => {
    const weight = codes[i * n + j]! * scale[Math.floor(i / groupSize) * n + j]!;
    value += v * weight;
    magnitude += (integer ? top : Math.abs(v)) * Math.abs(weight);
  });
  // what is below the smallest float32, of a product each
  const denormal = (k + 16) * 2 ** -149;
  return { value, magnitude, lost: denormal + (integer && top < TINY_REST ? magnitude : 0) };
}

/** along R. */
function alongSum(given: Product, numbers: ProductNumbers, row: number, j: number): Sum {
  const { n, alongRank, alongRows } = given;
  const { along, directionWeights, directionScale } = numbers;
  let value = 0;
  let magnitude = 0;
  for (let i = 0; i < alongRows; i++) {
    const factor = along[row * alongRank + (i % alongRank)]! * directionScale[i]!;
    value += factor * directionWeights[i * n + j]!;
    magnitude += Math.abs(factor * directionWeights[i * n + j]!);
  }
  return { value, magnitude, lost: 0 };
}

/** coefficients · basis + bias. */
function basisSum(given: Product, numbers: ProductNumbers, sample: number, j: number): Sum {
  const { n, rank, basisRows } = given;
  const { coefficients, basis, basisScale, bias } = numbers;
  let value = bias?.[j] ?? 0;
  let magnitude = Math.abs(value);
  for (let i = 0; i < basisRows; i++) {
    const c = coefficients[sample * rank + (i < rank ? i : i - rank)]! * basisScale[i]!;
    value += c * basis[i * n + j]!;
    magnitude += Math.abs(c * basis[i * n + j]!);
  }
  return { value, magnitude, lost: 0 };
}
