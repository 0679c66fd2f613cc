import type { TypedArray } from '@tensorflow/tfjs-core';
import { BoundedMap } from './boundedMap.js';
import {
  factorSigns,
  findHadamardPlan,
  type HadamardFactor,
  type HadamardPlan,
} from './hadamard.js';

/** Blocks shorter than this are transformed several at a time (elements). */
const ROW_LENGTH = 256;

/** out = x H for every block of `blockSize` neighbouring elements, summed in float64. */
export function transformBlocks(
  x: TypedArray | Float64Array,
  out: Float32Array | Float64Array,
  blockSize: number,
  transpose: boolean,
): void {
  const plan = findHadamardPlan(blockSize)!;
  const steps = stepsOf(plan, transpose);
  const scale = 1 / Math.sqrt(blockSize);
  const length = Math.min(x.length, blockSize * Math.max(1, Math.floor(ROW_LENGTH / blockSize)));
  // two row buffers in turn: each dense step reads one and writes the other
  let [from, to] = rowsOf(length);
  for (let start = 0; start < x.length; start += length) {
    const count = Math.min(length, x.length - start);
    if (count < length) [from, to] = [from.subarray(0, count), to.subarray(0, count)];
    for (let i = 0; i < count; i++) from[i] = x[start + i]! * scale;
    for (const step of steps) {
      if (step.dense === null) {
        butterflies(from, step.order);
      } else {
        denseFactor(from, to, step, step.dense);
        [from, to] = [to, from];
      }
    }
    for (let i = 0; i < count; i++) out[start + i] = from[i]!;
  }
}

/** Those of the last call: to make them takes a small tensor as long as its transform. */
let rows: readonly [Float64Array, Float64Array] = [new Float64Array(), new Float64Array()];

function rowsOf(length: number): readonly [Float64Array, Float64Array] {
  const kept = rows;
  if (kept[0].length === length) return kept;
  const made = [new Float64Array(length), new Float64Array(length)] as const;
  if (length <= ROW_LENGTH) rows = made;
  return made;
}

export interface Step {
  readonly order: number;
  readonly stride: number; // elements between two entries that the factor mixes
  /** Null for Sylvester. */
  readonly dense: DenseStep | null;
}

export interface DenseStep {
  readonly lookup: Uint16Array; // [order, order / 4] entries of signedSums
  readonly sums: Float64Array; // room for signedSums
}

/** Half a MiB each at most. */
const lookups = new BoundedMap<string, Uint16Array>(16);

export function stepsOf(plan: HadamardPlan, transpose: boolean): Step[] {
  let stride = plan.size;
  return plan.factors.map((factor) => {
    const { order, kind } = factor;
    stride /= order;
    if (kind === 'sylvester') return { order, stride, dense: null };
    const lookup = lookups.get(`${kind} ${order} ${transpose}`, () =>
      signLookup(factor, transpose),
    );
    return { order, stride, dense: { lookup, sums: new Float64Array(4 * order) } };
  });
}

/**
 * For output j and inputs 4k … 4k + 3: where signedSums holds ±a ± b ± c ± d with the signs of that
 * output.
 */
export function signLookup(factor: HadamardFactor, transpose: boolean): Uint16Array {
  const { order } = factor;
  const signs = factorSigns(factor);
  const lookup = new Uint16Array((order * order) / 4);
  for (let j = 0; j < order; j++) {
    for (let i = 0; i < order; i++) {
      const sign = signs[transpose ? j * order + i : i * order + j]!;
      const at = (j * order + i) >> 2;
      if (i % 4 === 0) lookup[at] = 4 * i;
      if (sign < 0) lookup[at] = lookup[at]! | (1 << (i % 4));
    }
  }
  return lookup;
}

/** Sylvester's factor in place, stride 1, radix 4: half the passes over the row of radix 2. */
export function butterflies(row: Float64Array, order: number): void {
  const n = row.length;
  let span = 1;
  if (Math.log2(order) % 2 === 1) {
    for (let i = 0; i < n; i += 2) {
      const a = row[i]!;
      const b = row[i + 1]!;
      row[i] = a + b;
      row[i + 1] = a - b;
    }
    span = 2;
  }
  for (; span < order; span *= 4) {
    for (let start = 0; start < n; start += 4 * span) {
      for (let i = start; i < start + span; i++) {
        const a = row[i]!;
        const b = row[i + span]!;
        const c = row[i + 2 * span]!;
        const d = row[i + 3 * span]!;
        const ab = a + b;
        const cd = c + d;
        const amb = a - b;
        const cmd = c - d;
        row[i] = ab + cd;
        row[i + span] = amb + cmd;
        row[i + 2 * span] = ab - cd;
        row[i + 3 * span] = amb - cmd;
      }
    }
  }
}

/**
 * A dense ±1 factor along an axis of `order` entries, `stride` apart.
 *
 * Four inputs have only 16 signed sums; every output picks one of them per four inputs (the "four
 * Russians" method): a quarter of the additions of the plain product, and 3 to 4 times as fast.
 */
export function denseFactor(
  from: Float64Array,
  to: Float64Array,
  { order, stride }: Step,
  { lookup, sums }: DenseStep,
): void {
  const quads = order / 4;
  for (let start = 0; start < from.length; start += order * stride) {
    for (let offset = start; offset < start + stride; offset++) {
      signedSums(from, offset, stride, sums);
      for (let j = 0, at = offset, l = 0; j < order; j++, at += stride) {
        let sum = 0;
        for (let k = 0; k < quads; k++, l++) sum += sums[lookup[l]!]!;
        to[at] = sum;
      }
    }
  }
}

/**
 * sums[16k + code] = ±a ± b ± c ± d of the k-th four inputs; bit i of code set: the i-th has a
 * minus.
 */
export function signedSums(
  from: Float64Array,
  offset: number,
  stride: number,
  sums: Float64Array,
): void {
  for (let t = 0, at = offset; t < sums.length; t += 16, at += 4 * stride) {
    const a = from[at]!;
    const b = from[at + stride]!;
    const c = from[at + 2 * stride]!;
    const d = from[at + 3 * stride]!;
    const apb = a + b;
    const amb = a - b;
    const cpd = c + d;
    const cmd = c - d;
    sums[t] = apb + cpd;
    sums[t + 1] = cpd - amb;
    sums[t + 2] = amb + cpd;
    sums[t + 3] = cpd - apb;
    sums[t + 4] = apb - cmd;
    sums[t + 5] = -amb - cmd;
    sums[t + 6] = amb - cmd;
    sums[t + 7] = -apb - cmd;
    sums[t + 8] = apb + cmd;
    sums[t + 9] = cmd - amb;
    sums[t + 10] = amb + cmd;
    sums[t + 11] = cmd - apb;
    sums[t + 12] = apb - cpd;
    sums[t + 13] = -amb - cpd;
    sums[t + 14] = amb - cpd;
    sums[t + 15] = -apb - cpd;
  }
}
