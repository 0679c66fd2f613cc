import { packCodes, packedBytes, unpackCodes } from '../../../ops/numerics/packing.js';
import {
  activationReference,
  quantizedMatMulReference,
} from '../../../ops/quantizedMatMul/reference.js';
import { type Activation, quantizedMatMul } from '../../../src/index.js';
import { EPS } from '../../harness/numbers/compare.js';
import { sizeOf } from '../../harness/numbers/random.js';
import type { Random } from '../base/random.js';
import type { Output } from '../guard/runs.js';
import type { Given, OpSubject, Values } from './given.js';
import {
  all,
  firstOff,
  flagsFor,
  floats,
  isFloat,
  isLength,
  magnitudeOf,
  numberOr,
  pickKeys,
  shapeOff,
} from './kit.js';
import { ROWS, rowsFit, someRows } from './productRows.js';

const ACTIVATIONS = ['none', 'gelu', 'geluTanh', 'silu', 'relu'];

export const quantizedMatMulSubject: OpSubject = {
  name: 'QuantizedMatMul',
  attrs: ['bits', 'groupSize', 'd', 'n', 'xBits', 'xGroupSize', 'activation'],
  make: makeProduct,
  legal: legalProduct,
  call: (tensors, attrs) => {
    const { x, xScale, xZeroPoint, codes, scale, ...rows } = tensors;
    const { bits, groupSize, d, n, xBits, xGroupSize } = attrs as Record<string, number>;
    const weights = { codes: codes!, scale, bits: bits!, groupSize: groupSize! };
    const quantized = { bits: xBits!, groupSize: xGroupSize!, codes: x!, scale: xScale! };
    return [
      quantizedMatMul(
        xScale === undefined ? x! : { ...quantized, zeroPoint: xZeroPoint! },
        { ...weights, shape: [d!, n!] },
        { ...rows, ...pickKeys(attrs, ['activation']) },
      ),
    ];
  },
  node: (given) => {
    const { tensors, attrs } = given;
    const { inputs, flags } = flagsFor(given, {
      ...{ xScale: 'hasCodes', bias: 'hasBias', residual: 'hasRest' },
      ...{ basis: 'hasBasis', basisScale: 'hasBasisScale' },
      ...{ directionWeights: 'hasDirections', directionScale: 'hasDirectionsScale' },
    });
    const order = inputs.flatMap((name) => {
      if (name === 'xScale') return ['xScale', 'xZeroPoint'];
      if (name === 'directionWeights') return ['along', name];
      return name === 'basis' ? ['coefficients', 'basis'] : [name];
    });
    const scale = attrs.bits === 32 || tensors.scale === undefined ? [] : ['scale'];
    return { inputs: ['x', 'codes', ...scale, ...order], flags };
  },
  check: checkProduct,
};

function makeProduct(random: Random): Given {
  const d = random.pick([1, 3, 4, 8, 10, 16, 24, 33, 64, 100]);
  const n = random.pick([1, 2, 6, 7, 8, 9, 16, 17, 24]);
  const bits = random.chance(0.2) ? 32 : random.between(2, 8);
  const shape = [...random.pick([[], [2], [2, 2]]), random.between(1, 9), d];
  const groupSize = random.pick([d, 4, 8, 16, random.between(1, d), d + 5]);
  const codes: Values =
    bits === 32
      ? floats(random, [d, n])
      : { shape: [packedBytes(d, n, bits)], dtype: 'bool', values: packed(random, d, n, bits) };
  const x = random.chance(0.5) ? { tensors: { x: floats(random, shape) }, attrs: {} } : null;
  const input = x ?? quantizedInput(random, shape, d);
  return {
    tensors: {
      ...input.tensors,
      codes,
      ...(bits === 32 ? {} : { scale: floats(random, [Math.ceil(d / groupSize), n]) }),
      ...someRows(random, shape.slice(0, -1), d, n),
    },
    attrs: {
      ...{ bits, groupSize, d, n, ...input.attrs },
      ...(random.chance(0.4) ? { activation: random.pick(ACTIVATIONS) } : {}),
    },
  };
}

function packed(random: Random, d: number, n: number, bits: number): Uint8Array {
  const half = 2 ** (bits - 1);
  const codes = Int8Array.from({ length: d * n }, () => random.between(-half, half - 1));
  return packCodes(codes, d, n, bits);
}

function quantizedInput(random: Random, shape: readonly number[], d: number): Given {
  const xBits = random.between(2, 8);
  const xGroupSize = random.pick([d, 4, 8, random.between(1, d)]);
  const grouped = [...shape.slice(0, -1), Math.ceil(d / xGroupSize)];
  const integers = (count: number) =>
    Uint8Array.from({ length: count }, () => random.below(2 ** xBits));
  const codes = integers(sizeOf(shape));
  const x: Values = random.chance(0.5)
    ? { shape, dtype: 'bool', values: codes }
    : { shape, dtype: 'int32', values: Int32Array.from(codes) };
  const zeroPoint = Float32Array.from(integers(sizeOf(grouped)));
  return {
    tensors: {
      ...{ x, xScale: floats(random, grouped, 0.1, 0.02) },
      xZeroPoint: { shape: grouped, dtype: 'float32', values: zeroPoint },
    },
    attrs: { xBits, xGroupSize },
  };
}

function legalProduct({ tensors, attrs }: Given): boolean | null {
  const { x, codes, scale } = tensors;
  const { bits, groupSize, d, n, activation = 'none' } = attrs as Record<string, number | string>;
  if (x === undefined || codes === undefined || x.shape.length < 2) return false;
  if (!isLength(d, 1) || !isLength(n, 1) || x.shape.at(-1) !== d) return false;
  const groups = Math.ceil(numberOr(d) / numberOr(groupSize));
  const isPacked =
    isLength(bits, 2, 8) &&
    isLength(groupSize, 1) &&
    codes.dtype === 'bool' &&
    codes.values.length === packedBytes(d as number, n as number, bits as number) &&
    isFloat(scale, [groups, n as number]) &&
    scale!.values.every((value) => Math.abs(value) !== Number.POSITIVE_INFINITY);
  return all(
    ACTIVATIONS.includes(activation as string),
    bits === 32 ? isFloat(codes, [d as number, n as number]) && ofFloats(groupSize) : isPacked,
    legalInput(tensors, attrs),
    rowsFit(tensors, x.shape.slice(0, -1), d as number, n as number),
  );
}

/** Weights in floats have no groups: what is no number may be refused. */
function ofFloats(groupSize: unknown): boolean | null {
  return groupSize === undefined || typeof groupSize === 'number' ? true : null;
}

/** Numbers; or codes and zero points that are whole numbers of their bits, and finite scales. */
function legalInput({ x, xScale, xZeroPoint }: Given['tensors'], attrs: Given['attrs']): boolean {
  if (xScale === undefined) return isFloat(x);
  const { xBits, xGroupSize } = attrs;
  if (!isLength(xBits, 2, 8) || !isLength(xGroupSize, 1) || isFloat(x)) return false;
  const grouped = [...x!.shape.slice(0, -1), Math.ceil(x!.shape.at(-1)! / (xGroupSize as number))];
  if (!isFloat(xScale, grouped) || !isFloat(xZeroPoint, grouped)) return false;
  const isCode = (value: number) => isLength(value, 0, 2 ** (xBits as number) - 1);
  return (
    x!.values.every(isCode) &&
    xZeroPoint!.values.every(isCode) &&
    xScale!.values.every((value) => Math.abs(value) !== Number.POSITIVE_INFINITY)
  );
}

function checkProduct({ tensors, attrs }: Given, [y]: readonly Output[]): string | null {
  const { x, xScale, xZeroPoint, codes, scale } = tensors;
  const { bits, groupSize, d, n, xGroupSize } = attrs as Record<string, number>;
  const wrong = shapeOff('y', y, [...x!.shape.slice(0, -1), n!]);
  if (wrong !== null || x!.values.length === 0) return wrong;
  const rows = ROWS.filter((name) => name in tensors).map((name) => [name, tensors[name]!.values]);
  const numbers = {
    ...{ x: x!.values, codes: codes!.values, ...Object.fromEntries(rows) },
    ...(bits === 32 ? {} : { codes: unpacked(codes!.values, d!, n!, bits!), scale: scale!.values }),
    ...(xScale === undefined ? {} : { xScale: xScale.values, xZeroPoint: xZeroPoint!.values }),
  };
  // weights in floats have no groups, whatever the attribute says
  const group = bits === 32 ? d! : Math.min(groupSize ?? d!, d!);
  const exact = quantizedMatMulReference(numbers, {
    ...{ samples: sizeOf(x!.shape.slice(0, -2)), d: d!, n: n! },
    groupSize: group,
    ...(xScale === undefined ? {} : { xGroupSize: Math.min(xGroupSize!, d!) }),
  });
  const activation = (attrs.activation ?? 'none') as Activation;
  const wanted = exact.values.map((value) => activationReference(value, activation));
  const { basis, directionWeights } = tensors;
  const rank = (basis?.shape[0] ?? 0) + (directionWeights?.shape[0] ?? 0);
  const roundings = 8 + 2 * d! + 2 * rank;
  const ofResidual = residualError(tensors, numbers, d!, n!, group);
  return firstOff('y', y!.values, wanted, (i) => {
    const own = activation === 'none' ? 0 : 8e-7 * Math.abs(exact.values[i]!);
    return 1.13 * roundings * EPS * exact.magnitudes[i]! + own + ofResidual(i);
  });
}

/** The residual goes through the integer product in 24 bits of its sample's largest element. */
function residualError(
  { residual, x }: Given['tensors'],
  { codes, scale }: { codes: ArrayLike<number>; scale?: ArrayLike<number> },
  d: number,
  n: number,
  groupSize: number,
): (i: number) => number {
  if (residual === undefined || scale === undefined) return () => 0;
  const sums = new Float64Array(n);
  for (let k = 0; k < d; k++) {
    const group = Math.floor(k / groupSize) * n;
    for (let j = 0; j < n; j++) sums[j]! += Math.abs(codes[k * n + j]! * scale[group + j]!);
  }
  const tokens = x!.shape.at(-2)!;
  return (i) => {
    const sample = Math.floor(i / (tokens * n));
    const row = residual.values.subarray(sample * d, (sample + 1) * d);
    const largest = magnitudeOf({ ...residual, values: row });
    return 2 ** -23 * largest * sums[i % n]!;
  };
}

function unpacked(bytes: Values['values'], d: number, n: number, bits: number): Int8Array {
  const out = new Int8Array(d * n);
  unpackCodes(Uint8Array.from(bytes), d, n, bits, 0, d, out);
  return out;
}
