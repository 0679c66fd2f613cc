import * as tf from '@tensorflow/tfjs';
import { packCodes } from '../../../ops/numerics/packing.js';
import {
  activationReference,
  type QuantizedMatMulNumbers,
  quantizedMatMulReference,
} from '../../../ops/quantizedMatMul/reference.js';
import { type Activation, quantizedMatMul } from '../../../src/index.js';
import { EPS, expectEvery } from '../numbers/compare.js';
import type { Values } from '../numbers/gradient.js';
import { normal, sizeOf, uniform } from '../numbers/random.js';
import type { OpCase } from './opCases.js';

/** What is added to the product beside the bias. */
export type Part = 'bias' | 'residual' | 'coefficients';

/** One row of the case table. */
export interface Row {
  /** Everything before d. */
  shape: number[];
  d: number;
  n: number;
  bits: number;
  groupSize?: number;
  parts?: readonly Part[];
  rank?: number;
  /** Rows of a scaled basis, rank to twice the rank; absent: no scale. */
  scaledRows?: number;
  /** Codes in the place of x. */
  x?: { bits: number; groupSize?: number; dtype?: 'int32' | 'bool' };
  activation?: Activation;
}

/** A row as a case: random numbers from its sizes, and the float64 reference. */
export function toCase(row: Row): OpCase {
  const { shape, d, n, bits, groupSize = d, rank = 2, activation = 'none' } = row;
  const samples = sizeOf(shape.slice(0, -1));
  const xGroupSize = Math.min(row.x?.groupSize ?? d, d);
  const seed = sizeOf(shape) + 31 * d + 7 * n + bits;
  const ints = integers(d * n, -(2 ** (bits - 1)), 2 ** bits, seed);
  const xCodes = integers(sizeOf(shape) * d, 0, 2 ** (row.x?.bits ?? 1), seed + 9);
  const given = inputsOf(row, seed);
  const names = Object.keys(given);
  return {
    name: nameOf(row),
    inputs: Object.values<Values>(given),
    run: (inputs) =>
      tf.tidy(() => {
        const tensors = Object.fromEntries(inputs.map((input, i) => [names[i], input]));
        const { x, xScale, xZeroPoint, codes, scale, ...rest } = tensors;
        const packed = codes ?? tf.tensor1d(packCodes(Int8Array.from(ints), d, n, bits), 'bool');
        const weights = { codes: packed, scale, bits, groupSize, shape: [d, n] as const };
        const options = { ...rest, ...(activation === 'none' ? {} : { activation }) };
        if (row.x === undefined) return [quantizedMatMul(x!, weights, options)];
        const { dtype = 'int32' } = row.x;
        const bytes = dtype === 'bool' ? Uint8Array.from(xCodes) : Int32Array.from(xCodes);
        const quantized = {
          codes: tf.tensor(bytes, [...shape, d], dtype),
          scale: xScale!,
          zeroPoint: xZeroPoint!,
          bits: row.x.bits,
          groupSize: xGroupSize,
        };
        return [quantizedMatMul(quantized, weights, options)];
      }),
    shapes: [[...shape, n]],
    check: ([y]) => {
      const numbers = Object.fromEntries(
        Object.entries<Values>(given).map(([name, { values }]) => [name, values]),
      );
      const all = { x: xCodes, codes: ints, ...numbers } as QuantizedMatMulNumbers;
      const sizes = { samples, d, n, groupSize, xGroupSize };
      const { values, magnitudes } = quantizedMatMulReference(all, sizes);
      const { parts = [] } = row;
      // each term is rounded when it is made (scale · code on both sides, their product) and in
      // each sum it goes through
      const roundings = 3 + d + (parts.includes('coefficients') ? 2 * rank + 1 : 0) + parts.length;
      expectEvery(y!.length, (i) => {
        const exact = activationReference(values[i]!, activation);
        // no activation is steeper than 1.13; erf itself is good to 5e-7
        const own = activation === 'none' ? 0 : 8e-7 * Math.abs(values[i]!);
        const bound = 1.13 * roundings * EPS * magnitudes[i]! + own;
        const error = Math.abs(y![i]! - exact);
        return error <= bound ? null : `output ${i} is off by ${error}, more than ${bound}`;
      });
    },
    poison: poisonOf(row, given),
  };
}

/** The token with the NaN, in x or its scale, and no other. */
function poisonOf({ shape, n }: Row, given: Record<string, Values>): NonNullable<OpCase['poison']> {
  const [first] = Object.values(given);
  const element = Math.floor(first!.values.length / 2);
  const token = Math.floor((element * sizeOf(shape)) / first!.values.length);
  return { element, reaches: (_, i) => Math.floor(i / n) === token };
}

/** What is random in floats, the first of them what a NaN is put into. */
function inputsOf(row: Row, seed: number): Record<string, Values> {
  const { shape, d, n, bits, groupSize = d, parts = [], rank = 2, scaledRows } = row;
  const samples = sizeOf(shape.slice(0, -1));
  const random = (dims: number[], of: number) => ({
    shape: dims,
    values: normal(sizeOf(dims), seed + of),
  });
  const xShape = [...shape, Math.ceil(d / Math.min(row.x?.groupSize ?? d, d))];
  const zeroPoint = () =>
    Float32Array.from(integers(sizeOf(xShape), 0, 2 ** row.x!.bits, seed + 8));
  return {
    ...(row.x === undefined
      ? { x: random([...shape, d], 1) }
      : {
          xScale: { shape: xShape, values: normal(sizeOf(xShape), seed + 1, 0.1, 0.02) },
          xZeroPoint: { shape: xShape, values: zeroPoint() },
        }),
    ...(bits === 32
      ? { codes: random([d, n], 0) }
      : { scale: random([Math.ceil(d / groupSize), n], 2) }),
    ...(parts.includes('bias') ? { bias: random([n], 3) } : {}),
    ...(parts.includes('residual') ? { residual: random([samples, d], 4) } : {}),
    ...(parts.includes('coefficients')
      ? { coefficients: random([samples, rank], 5), basis: random([scaledRows ?? rank, n], 6) }
      : {}),
    ...(scaledRows === undefined ? {} : { basisScale: random([scaledRows], 7) }),
  };
}

function integers(count: number, min: number, choices: number, seed: number): number[] {
  const next = uniform(seed);
  return Array.from({ length: count }, () => min + Math.floor(next() * choices));
}

function nameOf({ shape, d, n, bits, groupSize = d, x, activation, ...row }: Row): string {
  const { parts = [], rank = 2, scaledRows } = row;
  const groups = bits === 32 ? [] : [`${Math.ceil(d / groupSize)} groups of ${groupSize}`];
  const codes = x === undefined ? [] : [`x in ${x.bits} bits`];
  if (x?.groupSize !== undefined) codes.push(`in groups of ${x.groupSize}`);
  if (x?.dtype !== undefined) codes.push(`as ${x.dtype}`);
  const basis = parts.includes('coefficients') ? [`of rank ${rank}`] : [];
  if (scaledRows !== undefined) basis.push(`in ${scaledRows} scaled rows`);
  const more = [...codes, ...parts, ...basis, ...(activation === undefined ? [] : [activation])];
  return [`[${shape}, ${d}] → ${n} at ${bits} bits`, ...groups, ...more].join(', ');
}
