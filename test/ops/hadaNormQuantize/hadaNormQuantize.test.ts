import * as tf from '@tensorflow/tfjs';
import {
  type HadaNormQuantizeReference,
  hadaNormQuantizeReference,
} from '../../../ops/hadaNormQuantize/reference.js';
import { type HadaNormQuantizeOptions, hadaNormQuantize } from '../../../src/index.js';
import { EPS, expectEvery } from '../../harness/numbers/compare.js';
import { channelGroups } from '../../harness/numbers/formats.js';
import type { Values } from '../../harness/numbers/gradient.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { type OpCase, runOpCases } from '../../harness/ops/opCases.js';
import { dequantized, expectWellFormed } from '../../harness/ops/quantizedActivations.js';

interface Row {
  shape: number[];
  options?: Pick<
    HadaNormQuantizeOptions,
    'bits' | 'symmetric' | 'groupSize' | 'range' | 'center' | 'blockSize'
  >;
  scale?: boolean;
  mean?: boolean;
  rank?: number;
}

const FULL = { scale: true, mean: true, rank: 2 };

const ROWS: readonly Row[] = [
  { shape: [1, 1], options: { blockSize: 0 } },
  { shape: [1, 4] },
  { shape: [3, 4] },
  { shape: [3, 4], ...FULL },
  { shape: [2, 3, 8], ...FULL },
  { shape: [2, 2, 5, 12], ...FULL },
  ...[2, 3, 4, 5, 6, 7, 8].flatMap((bits): Row[] => [
    { shape: [2, 5, 12], options: { bits }, ...FULL },
    { shape: [2, 5, 12], options: { bits, symmetric: true, groupSize: 5 }, ...FULL },
  ]),
  // each part alone
  { shape: [2, 5, 24], options: { blockSize: 0 } },
  { shape: [2, 5, 24], scale: true },
  { shape: [2, 5, 24], mean: true },
  { shape: [2, 5, 24], rank: 1 },
  { shape: [2, 5, 24], rank: 24, scale: true },
  { shape: [2, 5, 24], options: { center: 'none' } },
  { shape: [2, 5, 24], options: { center: 'none' }, scale: true },
  { shape: [2, 5, 24], options: { center: 'none', blockSize: 0 } },
  { shape: [2, 5, 24], options: { center: 'none', blockSize: 0, groupSize: 8 } },
  { shape: [2, 5, 24], options: { center: 'static' }, mean: true },
  { shape: [2, 5, 24], options: { center: 'static', blockSize: 4 }, mean: true, scale: true },
  // groups: of one channel, a shorter last one, one larger than there are channels
  { shape: [4, 9], options: { groupSize: 1, blockSize: 0 }, scale: true },
  { shape: [4, 20], options: { groupSize: 16, bits: 4 }, ...FULL },
  { shape: [4, 20], options: { groupSize: 64, bits: 4 }, ...FULL },
  // static ranges, one of them beside 0
  { shape: [2, 5, 24], options: { range: { min: -1, max: 1.5 } }, ...FULL },
  { shape: [2, 5, 24], options: { range: { min: -1, max: 1.5 }, symmetric: true, bits: 4 } },
  { shape: [2, 5, 24], options: { range: { min: 0.25, max: 1 }, bits: 3, center: 'none' } },
  // widths without a power of two, tails of SIMD rows, large enough for other paths
  { shape: [7, 28], options: { blockSize: 28 }, ...FULL },
  { shape: [3, 33], options: { blockSize: 1 }, ...FULL },
  { shape: [2, 33, 384], scale: true, mean: true, rank: 8 },
  { shape: [1, 230, 1152], options: { bits: 4, groupSize: 64 }, scale: true, mean: true, rank: 8 },
  // more than one workgroup's share of a basis on WebGPU
  { shape: [2, 5, 1152], scale: true, mean: true, rank: 19 },
];

runOpCases('HadaNormQuantize', ROWS.map(toCase));

function toCase(row: Row): OpCase {
  const { shape, options = {}, rank = 0 } = row;
  const [tokens, d] = shape.slice(-2) as [number, number];
  const seed = sizeOf(shape) + 7 * rank;
  const given: Record<string, Values> = {
    x: { shape, values: normal(sizeOf(shape), seed, 0.4) },
    ...(row.scale ? { scale: { shape: [d], values: scales(d, seed) } } : {}),
    ...(row.mean ? { mean: { shape: [d], values: normal(d, seed + 2, 0.3) } } : {}),
    // not orthonormal: nothing in the op's definition asks for that
    ...(rank > 0
      ? { basis: { shape: [rank, d], values: normal(rank * d, seed + 3, 0, 1 / Math.sqrt(d)) } }
      : {}),
  };
  const names = Object.keys(given);
  const samples = sizeOf(shape.slice(0, -2));
  const { groupSize = d, center = 'dynamic' } = options;
  const dynamic = center === 'dynamic';
  const groups = [...shape.slice(0, -1), Math.ceil(d / Math.min(groupSize, d))];
  // [dequantized, scale, residual, coefficients]
  const shapes = [shape, groups, ...(dynamic ? [[samples, d]] : [])];
  if (rank > 0) shapes.push([samples, rank]);
  const at = Math.floor(sizeOf(shape) / 2);
  return {
    name: nameOf(row),
    inputs: Object.values(given),
    run: (inputs) => {
      const { x, ...vectors } = Object.fromEntries(inputs.map((input, i) => [names[i], input]));
      return tf.tidy(() => {
        const { quantized, residual, coefficients } = hadaNormQuantize(x!, {
          ...options,
          ...vectors,
        });
        expectWellFormed(quantized, shape);
        const all = [dequantized(quantized), quantized.scale, residual, coefficients];
        return all.filter((output) => output !== null);
      });
    },
    shapes,
    check: (outputs) => check(row, given, outputs),
    poison: {
      element: at,
      reaches: (output, i) => {
        const sample = Math.floor(at / (tokens * d));
        const { blockSize = d } = options;
        if (output > 1) {
          // the mean of one channel, spread by the rotation, and before it by the basis
          if (output === 3 || rank > 0) return Math.floor(i / shapes[output]![1]!) === sample;
          return Math.floor(i / d) === sample && sameBlock(i % d, at % d, blockSize || 1);
        }
        const [row, channel] =
          output === 0 ? [Math.floor(i / d), i % d] : rowOf(i, groups, groupSize);
        const reached = dynamic ? Math.floor(row / tokens) === sample : row === Math.floor(at / d);
        const size = Math.min(groupSize, d);
        // every group that a channel of the NaN's block is in
        const [from, to] = blockOf(at % d, blockSize || 1);
        const first = Math.floor(from / size);
        const last = Math.floor((to - 1) / size);
        const group = Math.floor(channel / size);
        return reached && group >= first && group <= last;
      },
    },
  };
}

function rowOf(i: number, groups: readonly number[], groupSize: number): [number, number] {
  const count = groups[groups.length - 1]!;
  return [Math.floor(i / count), (i % count) * groupSize];
}

function blockOf(channel: number, blockSize: number): [number, number] {
  const from = Math.floor(channel / blockSize) * blockSize;
  return [from, from + blockSize];
}

function sameBlock(a: number, b: number, blockSize: number): boolean {
  return Math.floor(a / blockSize) === Math.floor(b / blockSize);
}

function scales(d: number, seed: number): Float32Array {
  return normal(d, seed + 1).map((v) => (v < 0 ? v - 0.5 : v + 0.5));
}

/** Outputs against the float64 reference, within what float32 steps can add up to. */
function check(row: Row, given: Record<string, Values>, outputs: Float32Array[]): void {
  const { shape, options = {} } = row;
  const [tokens, d] = shape.slice(-2) as [number, number];
  const { bits = 8, symmetric = false, range = null, center = 'dynamic', blockSize = d } = options;
  const groupSize = Math.min(options.groupSize ?? d, d);
  const numbers = Object.fromEntries(Object.entries(given).map(([k, { values }]) => [k, values]));
  const exact = hadaNormQuantizeReference(numbers as { x: Float32Array }, tokens, d, {
    ...{ format: channelGroups(bits, symmetric, groupSize), range, center, blockSize },
  });
  const slack = roundingError(row, given);
  const [y, scale, residual, coefficients] = outputs;
  expectQuantized(y!, exact, slack, row);
  expectEvery(scale!.length, (i) => {
    const [r, channel] = rowOf(i, [Math.ceil(d / groupSize)], groupSize);
    const expected = exact.quantized.scale[r * d + channel]!;
    return off(`scale ${i}`, scale![i]!, expected, 2 * slack + 8 * EPS * expected);
  });
  const width = row.rank ?? 0;
  // coefficients add up d products, what is along the basis adds up again
  const spread = slack * (1 + 4 * width) * Math.sqrt(d);
  expectEvery(residual?.length ?? 0, (i) =>
    off(`residual ${i}`, residual![i]!, exact.residual[i]!, spread),
  );
  expectEvery(coefficients?.length ?? 0, (i) =>
    off(`coefficient ${i}`, coefficients![i]!, exact.coefficients[i]!, spread),
  );
}

/** What is wrong with a number that is farther off than `bound`; null where it is not. */
function off(what: string, value: number, wanted: number, bound: number): string | null {
  return Math.abs(value - wanted) <= bound ? null : `${what}: ${value} for ${wanted} ± ${bound}`;
}

/**
 * A value is within half a step of what it stands for, at the ends of a range with a zero point
 * within one.
 */
function expectQuantized(
  y: Float32Array,
  { transformed, quantized }: HadaNormQuantizeReference,
  slack: number,
  { options = {} }: Row,
): void {
  const { range, symmetric = false } = options;
  const { ends, scale, clamped } = quantized;
  expectEvery(y.length, (i) => {
    const step = scale[i]!;
    const limit = symmetric ? Math.max(-ends.min[i]!, ends.max[i]!) : 0;
    const [low, high] = symmetric ? [-limit, limit] : [ends.min[i]!, ends.max[i]!];
    const wanted = range ? Math.min(Math.max(transformed[i]!, low), high) : transformed[i]!;
    const part = clamped[i] && !symmetric ? 1 : 0.5;
    const bound = part * step * (1 + 1e-4) + 4 * slack;
    return off(`[${i}]`, y[i]!, wanted, bound);
  });
}

/**
 * What rounding in float32 can add up to in an element of x': sums over tokens, and over a block.
 */
function roundingError({ shape, options = {} }: Row, given: Record<string, Values>): number {
  const [tokens, d] = shape.slice(-2) as [number, number];
  const { blockSize = d } = options;
  const maximum = (values: Float32Array | undefined) =>
    (values ?? new Float32Array(1)).reduce((max, v) => Math.max(max, Math.abs(v)), 0);
  const minimum = given.scale?.values.reduce((min, v) => Math.min(min, Math.abs(v)), 1) ?? 1;
  const magnitude = (maximum(given.x!.values) + maximum(given.mean?.values)) / minimum;
  const block = Math.max(blockSize, 1);
  return (Math.sqrt(tokens) + Math.sqrt(block) + 8) * EPS * magnitude * Math.sqrt(block);
}

function nameOf({ shape, options = {}, scale, mean, rank = 0 }: Row): string {
  const parts = Object.entries(options).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  if (scale) parts.push('scale');
  if (mean) parts.push('mean');
  if (rank > 0) parts.push(`basis of ${rank}`);
  return `[${shape}]${parts.length === 0 ? '' : `, ${parts.join(', ')}`}`;
}
