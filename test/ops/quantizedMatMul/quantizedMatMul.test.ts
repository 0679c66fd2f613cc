import { expect } from 'chai';
import { quantizedMatMul } from '../../../src/index.js';
import { toTensor } from '../../harness/numbers/gradient.js';
import { normal } from '../../harness/numbers/random.js';
import { runOpCases } from '../../harness/ops/opCases.js';
import { type Part, type Row, toCase } from '../../harness/ops/quantizedMatMulCases.js';

const ALL: readonly Part[] = ['bias', 'residual', 'coefficients'];

const ROWS: readonly Row[] = [
  ...[2, 3, 4, 5, 6, 7, 8, 32].flatMap((bits): Row[] => [
    { shape: [2, 3], d: 16, n: 8, bits, groupSize: 8, parts: ALL },
    // 7 · 5 codes do not fill their bytes at any width below 8
    { shape: [3], d: 7, n: 5, bits, groupSize: 3 },
    { shape: [2, 3], d: 70, n: 33, bits, groupSize: 64, parts: ['bias'] },
  ]),
  // every choice of the rows that are added
  ...[
    [],
    ['bias'],
    ['residual'],
    ['coefficients'],
    ['bias', 'residual'],
    ['residual', 'coefficients'],
  ].map(
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
  // a basis in coarse steps: none, some and all of its rows twice
  { shape: [2, 3], d: 12, n: 6, bits: 4, parts: ALL, rank: 3, scaledRows: 3 },
  { shape: [2, 3], d: 12, n: 6, bits: 4, parts: ALL, rank: 3, scaledRows: 5 },
  { shape: [2, 3], d: 12, n: 9, bits: 32, parts: ['coefficients'], rank: 3, scaledRows: 6 },
  // codes for x: bits of either side, groups that are equal, finer, coarser, and that do not fit
  // each other
  ...[2, 3, 4, 5, 6, 7, 8].flatMap((bits): Row[] => [
    { shape: [2, 3], d: 32, n: 9, bits, groupSize: 16, x: { bits: 8 } },
    { shape: [2, 3], d: 36, n: 17, bits: 10 - bits, groupSize: 16, x: { bits }, parts: ALL },
    { shape: [5], d: 64, n: 8, bits: 4, groupSize: 16, x: { bits, groupSize: 16, dtype: 'bool' } },
  ]),
  { shape: [2, 5], d: 64, n: 12, bits: 4, groupSize: 32, x: { bits: 8, groupSize: 16 } },
  { shape: [2, 5], d: 64, n: 12, bits: 8, groupSize: 16, x: { bits: 4, groupSize: 32 } },
  {
    shape: [2, 5],
    d: 60,
    n: 12,
    bits: 8,
    groupSize: 12,
    x: { bits: 8, groupSize: 10 },
    parts: ALL,
  },
  { shape: [2, 5], d: 13, n: 7, bits: 3, groupSize: 1, x: { bits: 8, groupSize: 3 } },
  { shape: [2, 5], d: 13, n: 7, bits: 8, groupSize: 5, x: { bits: 8, groupSize: 1 }, parts: ALL },
  { shape: [2, 5], d: 13, n: 7, bits: 5, groupSize: 64, x: { bits: 6, groupSize: 64 } },
  { shape: [1], d: 1, n: 1, bits: 2, x: { bits: 2 } },
  {
    shape: [2, 2, 3],
    d: 20,
    n: 5,
    bits: 4,
    groupSize: 8,
    x: { bits: 8, dtype: 'bool' },
    parts: ALL,
  },
  { shape: [2, 3], d: 20, n: 5, bits: 32, x: { bits: 8, groupSize: 8 }, parts: ALL },
  { shape: [2, 63], d: 200, n: 131, bits: 4, groupSize: 64, x: { bits: 8 }, parts: ALL },
  { shape: [129], d: 192, n: 320, bits: 4, groupSize: 64, x: { bits: 4, groupSize: 64 } },
  { shape: [66], d: 160, n: 72, bits: 8, x: { bits: 8 } },
  // activations, of floats and of codes
  ...(['gelu', 'geluTanh', 'silu', 'relu'] as const).flatMap((activation): Row[] => [
    { shape: [2, 9], d: 16, n: 13, bits: 8, activation, parts: ALL },
    { shape: [2, 9], d: 16, n: 13, bits: 8, activation, x: { bits: 8 } },
    { shape: [4], d: 16, n: 5, bits: 32, activation },
  ]),
  // large enough for other paths of tfjs's product
  { shape: [2, 64], d: 192, n: 320, bits: 4, groupSize: 64, parts: ALL, rank: 2 },
];

runOpCases('QuantizedMatMul', ROWS.map(toCase));

// kept here, so that a browser counts them with the op
runOpCases('QuantizedMatMul', [
  {
    name: 'a NaN in one sample’s residual reaches every token of that sample alone',
    inputs: [
      { shape: [3, 2, 4], values: normal(24, 1) },
      { shape: [3, 4], values: Float32Array.of(1, 2, 3, 4, 5, Number.NaN, 7, 8, 9, 10, 11, 12) },
    ],
    run: ([x, residual]) => {
      const weights = { bits: 32, groupSize: 4, shape: [4, 3] as const };
      const codes = toTensor({ shape: [4, 3], values: normal(12, 2) });
      const y = quantizedMatMul(x!, { ...weights, codes }, { residual: residual! });
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
