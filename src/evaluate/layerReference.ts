import type { TypedArray } from '@tensorflow/tfjs-core';
import { present } from '../../ops/common/graphOp.js';
import type { FakeQuantReference } from '../../ops/fakeQuant/reference.js';
import {
  centerAttr,
  type HadaNormQuantizeAttrs,
  hadaNormQuantizeContract,
} from '../../ops/hadaNormQuantize/contract.js';
import { hadaNormQuantizeReference } from '../../ops/hadaNormQuantize/reference.js';
import { unpackCodes } from '../../ops/numerics/packing.js';
import { ACTIVATIONS } from '../../ops/quantizedMatMul/checks.js';
import { quantizedMatMulContract } from '../../ops/quantizedMatMul/contract.js';
import {
  activationReference,
  type QuantizedMatMulNumbers,
  quantizedMatMulReference,
} from '../../ops/quantizedMatMul/reference.js';
import { nodeAttrs } from '../graph/attrs.js';
import type { GraphNode } from '../graph/ir.js';

/** A tensor's values. */
export interface Values {
  readonly shape: readonly number[];
  readonly values: TypedArray;
}

/** Outputs of a product that are computed anew: the reference takes its time. */
const ROWS = 4;
const COLUMNS = 64;

/**
 * How far a `QuantizedMatMul` is from its definition in float64, on rows of the first and the last
 * sample: the largest error as a share of what its sum is made of, which rounding is proportional
 * to.
 *
 * @param given Its inputs in the node's order.
 * @param got Its output.
 */
export function productDifference(node: GraphNode, given: readonly Values[], got: Values): number {
  const attrs = nodeAttrs(node.attrs);
  const named = namedOf(quantizedMatMulContract.inputNames(attrs), given);
  const { x, xScale, xZeroPoint, codes, scale, bias, residual, coefficients, basis } = named;
  const [bits, groupSize, d, n] = ['bits', 'groupSize', 'd', 'n'].map((name) =>
    attrs.number(name),
  ) as [number, number, number, number];
  const samples = x!.shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
  const tokens = x!.shape.at(-2)!;
  const rows = picked(samples * tokens, ROWS);
  const columns = picked(n, COLUMNS);
  const weights = bits === 32 ? codes!.values : unpacked(codes!, d, n, bits);
  const inColumns = (matrix: ArrayLike<number> | undefined) =>
    matrix === undefined ? undefined : columnsOf(matrix, n, columns);
  // each row as a sample of its own
  const ofRows = (values: Values | undefined, of: (row: number) => number) => {
    const width = values?.shape.at(-1) ?? 0;
    return values && rows.flatMap((row) => part(values.values, of(row) * width, width));
  };
  const own = (row: number) => row;
  const sample = (row: number) => Math.floor(row / tokens);
  const numbers: QuantizedMatMulNumbers = {
    x: ofRows(x, own)!,
    codes: inColumns(weights)!,
    ...present<Omit<QuantizedMatMulNumbers, 'x' | 'codes'>>({
      xScale: ofRows(xScale, own),
      xZeroPoint: ofRows(xZeroPoint, own),
      scale: inColumns(scale?.values),
      bias: inColumns(bias?.values),
      residual: ofRows(residual, sample),
      coefficients: ofRows(coefficients, sample),
      basis: inColumns(basis?.values),
      basisScale: named.basisScale?.values,
      along: ofRows(named.along, own),
      directionWeights: inColumns(named.directionWeights?.values),
      directionScale: named.directionScale?.values,
    }),
  };
  const { values, magnitudes } = quantizedMatMulReference(numbers, {
    ...{ samples: rows.length, d, n: columns.length, groupSize },
    xGroupSize: attrs.number('xGroupSize') ?? d,
  });
  const name = attrs.string('activation');
  const activation = ACTIVATIONS.find((known) => known.toLowerCase() === name) ?? 'none';
  const exact = values.map((value) => activationReference(value, activation));
  const found = rows.flatMap((row) => columns.map((column) => got.values[row * n + column]!));
  return largest(exact, found, (i) => magnitudes[i]!);
}

/**
 * How far a `HadaNormQuantize` is from its definition in float64, on tokens of the first and the
 * last sample: what its codes stand for, more than one step aside, and the means that it splits
 * off, as a share of the largest value.
 *
 * @param given Its inputs in the node's order.
 * @param got Its outputs in order.
 */
export function quantizerDifference(
  node: GraphNode,
  given: readonly Values[],
  got: readonly Values[],
): number {
  const attrs = nodeAttrs(node.attrs);
  const named = namedOf(hadaNormQuantizeContract.inputNames(attrs), given);
  const { x, mask, ...others } = named;
  const [tokens, d] = x!.shape.slice(-2) as [number, number];
  const groupSize = Math.min(attrs.number('groupSize') ?? d, d);
  const samples = picked(x!.values.length / (tokens * d), 2);
  const rows = picked(tokens, ROWS);
  const exact = hadaNormQuantizeReference(
    {
      x: samples.flatMap((sample) => withSameMean(x!.values, mask, { sample, tokens, d, rows })),
      ...Object.fromEntries(Object.entries(others).map(([name, value]) => [name, value!.values])),
      subtract: attrs.bool('subtract') ?? false,
    },
    rows.length + 1,
    d,
    quantizerAttrs(node, groupSize, d),
  );
  const size = magnitudeOf(exact.transformed);
  const off = (found: Values | undefined, wanted: Float64Array) => {
    const width = found?.shape.at(-1) ?? 0;
    const own = found && samples.flatMap((sample) => part(found.values, sample * width, width));
    return own === undefined ? 0 : largest(wanted, own, () => size + magnitudeOf(wanted));
  };
  const at = samples.flatMap((sample) => rows.map((row) => sample * tokens + row));
  const beyond = at.flatMap((row, i) => {
    const sample = Math.floor(i / rows.length);
    return beyondOneStep(got, row, exact.quantized, i + sample, { d, groupSize });
  });
  const along = named.directions === undefined ? undefined : got.at(-1);
  const [residual, coefficients] = got.slice(3, along === undefined ? undefined : -1);
  const beside = at.map((row, i) =>
    alongOff(along, row, exact.along, i + Math.floor(i / rows.length)),
  );
  return Math.max(
    largest(new Float64Array(beyond.length), beyond, () => size),
    off(residual, exact.residual),
    off(coefficients, exact.coefficients),
    Math.max(...beside) / (size + magnitudeOf(exact.along)),
  );
}

function quantizerAttrs(node: GraphNode, groupSize: number, d: number): HadaNormQuantizeAttrs {
  const attrs = nodeAttrs(node.attrs);
  const [min, max] = [attrs.number('rangeMin'), attrs.number('rangeMax')];
  return {
    format: {
      ...{ kind: 'uniform', bits: attrs.number('bits') ?? 8 },
      codes: attrs.bool('symmetric') ? 'symmetric' : 'unsigned',
      granularity: { kind: 'perGroup', axis: 1, groupSize },
    },
    range: min === undefined || max === undefined ? null : { min, max },
    center: centerAttr(attrs) as HadaNormQuantizeAttrs['center'],
    blockSize: attrs.number('blockSize') ?? d,
  };
}

/** Some tokens of a sample, and one more by which their mean is that of all that count. */
function withSameMean(
  x: TypedArray,
  mask: Values | undefined,
  place: { sample: number; tokens: number; d: number; rows: readonly number[] },
): number[] {
  const { sample, tokens, d, rows } = place;
  const start = sample * tokens;
  const counts = (token: number) =>
    mask === undefined || mask.values[(start + token) % mask.values.length] !== 0;
  const counted = Array.from({ length: tokens }, (_, token) => token).filter(counts);
  const own = rows.flatMap((row) => part(x, (start + row) * d, d));
  const last = Array.from({ length: d }, (_, c) => {
    const sum = counted.reduce((all, token) => all + x[(start + token) * d + c]!, 0);
    const mean = sum / Math.max(counted.length, 1);
    return rows.reduce((left, _, i) => left - own[i * d + c]!, mean * (rows.length + 1));
  });
  return [...own, ...last];
}

/** How far what goes along the directions is off in a token. */
function alongOff(
  found: Values | undefined,
  row: number,
  exact: ArrayLike<number>,
  exactRow: number,
): number {
  if (found === undefined) return 0;
  const width = found.shape.at(-1)!;
  const own = part(found.values, row * width, width);
  const wanted = Array.from({ length: width }, (_, i) => exact[exactRow * width + i]!);
  return largest(wanted, own, () => 1);
}

/** How far a token is off, less one step: near a tie float32 may fall on the other side. */
function beyondOneStep(
  [codes, scale, zeroPoint]: readonly Values[],
  row: number,
  exact: FakeQuantReference,
  exactRow: number,
  { d, groupSize }: { d: number; groupSize: number },
): number[] {
  const groups = Math.ceil(d / groupSize);
  return Array.from({ length: d }, (_, c) => {
    const group = row * groups + Math.floor(c / groupSize);
    const code = codes!.values[row * d + c]!;
    const value = (code - zeroPoint!.values[group]!) * scale!.values[group]!;
    const at = exactRow * d + c;
    const error = Math.abs(value - exact.values[at]!);
    return Number.isNaN(error) ? error : Math.max(0, error - 1.001 * exact.scale[at]!);
  });
}

/** The largest error, each as a share of its own size; Infinity for what is no number. */
function largest(
  exact: ArrayLike<number>,
  found: ArrayLike<number>,
  size: (i: number) => number,
): number {
  let worst = 0;
  for (let i = 0; i < exact.length; i++) {
    const error = Math.abs(exact[i]! - found[i]!);
    if (error === 0) continue;
    const share = error / size(i);
    worst = Number.isNaN(share) ? Number.POSITIVE_INFINITY : Math.max(worst, share);
  }
  return worst;
}

function namedOf<Name extends string>(names: readonly Name[], given: readonly Values[]) {
  return Object.fromEntries(names.map((name, i) => [name, given[i]!])) as {
    readonly [N in Name]?: Values;
  };
}

/** So many of `length` places, spread from the first to the last; of one, the first. */
export function picked(length: number, count: number): number[] {
  if (count === 1) return length > 0 ? [0] : [];
  if (length <= count) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - 1)) / (count - 1)));
}

function unpacked(codes: Values, d: number, n: number, bits: number): Int8Array {
  const out = new Int8Array(d * n);
  unpackCodes(Uint8Array.from(codes.values), d, n, bits, 0, d, out);
  return out;
}

function columnsOf(matrix: ArrayLike<number>, n: number, columns: readonly number[]): number[] {
  const rows = Array.from({ length: matrix.length / n }, (_, row) => row * n);
  return rows.flatMap((start) => columns.map((column) => matrix[start + column]!));
}

function part(values: TypedArray, from: number, width: number): number[] {
  return Array.from(values.subarray(from, from + width));
}

function magnitudeOf(values: ArrayLike<number>): number {
  let max = Number.MIN_VALUE;
  for (let i = 0; i < values.length; i++) max = Math.max(max, Math.abs(values[i]!));
  return max;
}
