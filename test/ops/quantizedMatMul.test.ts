import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { packCodes } from '../../ops/common/packing.js';
import {
  type QuantizedMatMulNumbers,
  quantizedMatMulReference,
} from '../../ops/quantizedMatMul/reference.js';
import { quantizedMatMul } from '../../src/index.js';
import { EPS } from '../harness/compare.js';
import { toTensor, type Values } from '../harness/gradient.js';
import { type OpCase, runOpCases } from '../harness/opCases.js';
import { normal, sizeOf, uniform } from '../harness/random.js';

type Part = 'bias' | 'rest' | 'coefficients';

interface Row {
  /** Everything before d. */
  shape: number[];
  d: number;
  n: number;
  bits: number;
  groupSize?: number;
  parts?: readonly Part[];
  rank?: number;
}

const ALL: readonly Part[] = ['bias', 'rest', 'coefficients'];

const ROWS: readonly Row[] = [
  ...[2, 3, 4, 5, 6, 7, 8, 32].flatMap((bits): Row[] => [
    { shape: [2, 3], d: 16, n: 8, bits, groupSize: 8, parts: ALL },
    // 7 · 5 codes do not fill their bytes at any width below 8
    { shape: [3], d: 7, n: 5, bits, groupSize: 3 },
    { shape: [2, 3], d: 70, n: 33, bits, groupSize: 64, parts: ['bias'] },
  ]),
  // every choice of the rows that are added
  ...[[], ['bias'], ['rest'], ['coefficients'], ['bias', 'rest'], ['rest', 'coefficients']].map(
    (parts): Row => ({
      shape: [2, 4],
      d: 24,
      n: 10,
      bits: 4,
      groupSize: 8,
      parts: parts as Part[],
    }),
  ),
  { shape: [2, 4], d: 24, n: 10, bits: 4, groupSize: 8, parts: ['bias', 'coefficients'] },
  // shapes: one token, one channel, one output, one of each, a rank of 4
  { shape: [1], d: 12, n: 6, bits: 4, parts: ALL },
  { shape: [3, 1], d: 12, n: 6, bits: 4, parts: ALL },
  { shape: [2, 2], d: 1, n: 6, bits: 4, parts: ALL },
  { shape: [2, 2], d: 12, n: 1, bits: 3, parts: ALL },
  { shape: [1, 1], d: 1, n: 1, bits: 2, parts: ALL },
  { shape: [2, 3, 4], d: 12, n: 6, bits: 5, groupSize: 4, parts: ALL },
  { shape: [5], d: 12, n: 6, bits: 7, groupSize: 5, parts: ALL },
  // one group, groups of one row, a group larger than d
  { shape: [2, 3], d: 20, n: 6, bits: 4, groupSize: 20 },
  { shape: [2, 3], d: 20, n: 6, bits: 4, groupSize: 1 },
  { shape: [2, 3], d: 20, n: 6, bits: 4, groupSize: 64 },
  // more rows than a panel of the cpu kernel holds, of x and of the basis
  { shape: [2, 3], d: 130, n: 9, bits: 6, groupSize: 48, parts: ALL, rank: 3 },
  { shape: [2, 3], d: 16, n: 9, bits: 4, groupSize: 8, parts: ALL, rank: 70 },
  { shape: [2, 3], d: 33, n: 9, bits: 32, parts: ALL, rank: 33 },
  // large enough for other paths of tfjs's product
  { shape: [2, 64], d: 192, n: 320, bits: 4, groupSize: 64, parts: ALL, rank: 2 },
];

runOpCases('QuantizedMatMul', ROWS.map(toCase));

function toCase(row: Row): OpCase {
  const { shape, d, n, bits, groupSize = d, parts = [], rank = 2 } = row;
  const samples = sizeOf(shape.slice(0, -1));
  const groups = Math.ceil(d / groupSize);
  const seed = sizeOf(shape) + 31 * d + 7 * n + bits;
  const next = uniform(seed);
  const ints = Int8Array.from({ length: d * n }, () => Math.floor((next() - 0.5) * 2 ** bits));
  const floats = bits === 32;
  const codes = floats ? { shape: [d, n], values: normal(d * n, seed) } : null;
  const random = (dims: number[], of: number) => ({
    shape: dims,
    values: normal(sizeOf(dims), seed + of),
  });
  const given = {
    x: random([...shape, d], 1),
    ...(floats ? { codes: codes! } : { scale: random([groups, n], 2) }),
    ...(parts.includes('bias') ? { bias: random([n], 3) } : {}),
    ...(parts.includes('rest') ? { rest: random([samples, d], 4) } : {}),
    ...(parts.includes('coefficients')
      ? { coefficients: random([samples, rank], 5), basis: random([rank, n], 6) }
      : {}),
  };
  const names = Object.keys(given);
  const outShape = [...shape, n];
  return {
    name:
      `[${shape}, ${d}] → ${n} at ${bits} bits` +
      `${floats ? '' : `, ${groups} groups of ${groupSize}`}` +
      `${parts.length === 0 ? '' : `, with ${parts.join(', ')}`}` +
      `${parts.includes('coefficients') ? ` of rank ${rank}` : ''}`,
    inputs: Object.values<Values>(given),
    run: (inputs) => {
      const tensors = Object.fromEntries(inputs.map((input, i) => [names[i], input]));
      const { x, codes, scale, ...rest } = tensors;
      const bytes = packCodes(ints, d, n, floats ? 8 : bits);
      return tf.tidy(() => {
        const packed = codes ?? tf.tensor1d(bytes, 'bool');
        const weights = { codes: packed, scale, bits, groupSize, shape: [d, n] as const };
        return [quantizedMatMul(x!, weights, rest)];
      });
    },
    shapes: [outShape],
    check: ([y]) => {
      const numbers = Object.fromEntries(
        Object.entries<Values>(given).map(([name, { values }]) => [name, values]),
      ) as unknown as QuantizedMatMulNumbers;
      const exact = quantizedMatMulReference(
        { ...numbers, codes: codes?.values ?? ints },
        samples,
        d,
        n,
        groupSize,
      );
      // each term is rounded when it is made (scale · code, times x) and in each sum it goes through
      const roundings = 2 + d + (parts.includes('coefficients') ? rank : 0) + parts.length;
      y!.forEach((value, i) => {
        const bound = roundings * EPS * exact.magnitudes[i]!;
        expect(Math.abs(value - exact.values[i]!), `output ${i}`).to.be.at.most(bound);
      });
    },
    // the token with the NaN and no other
    poison: {
      element: Math.floor((sizeOf(shape) * d) / 2),
      reaches: (_, i) => Math.floor(i / n) === Math.floor((sizeOf(shape) * d) / 2 / d),
    },
  };
}

// kept here, so that a browser counts them with the op
runOpCases('QuantizedMatMul', [
  {
    name: 'a NaN in one sample’s rest reaches every token of that sample alone',
    inputs: [
      { shape: [3, 2, 4], values: normal(24, 1) },
      { shape: [3, 4], values: Float32Array.of(1, 2, 3, 4, 5, Number.NaN, 7, 8, 9, 10, 11, 12) },
    ],
    run: ([x, rest]) => {
      const weights = { bits: 32, groupSize: 4, shape: [4, 3] as const };
      const codes = toTensor({ shape: [4, 3], values: normal(12, 2) });
      const y = quantizedMatMul(x!, { ...weights, codes }, { rest: rest! });
      codes.dispose();
      return [y];
    },
    shapes: [[3, 2, 3]],
    check: ([y]) => {
      const samples = [0, 1, 2].map((i) => [...y!.subarray(6 * i, 6 * i + 6)].map(Number.isNaN));
      expect(samples.map((flags) => flags.filter(Boolean).length)).to.deep.equal([0, 6, 0]);
    },
  },
]);
