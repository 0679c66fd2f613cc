import {
  add,
  cast,
  concat,
  floor,
  matMul,
  mul,
  pad,
  reshape,
  slice,
  sub,
  type Tensor,
  type Tensor2D,
  transpose,
} from '@tensorflow/tfjs-core';
import type { ComposedOp } from '../common/kernel.js';
import { codeOffset, type GroupedFormat } from '../numerics/formats.js';
import { BLOCK_ROWS, PANEL_COLUMNS, planesOf } from '../numerics/packing.js';
import { activate } from './activations.js';
import {
  type QuantizedMatMulAttrs,
  type QuantizedMatMulInputs,
  quantizedMatMulContract,
} from './contract.js';

/** The op on any backend. */
export const quantizedMatMulOp: ComposedOp<QuantizedMatMulInputs, QuantizedMatMulAttrs> = {
  contract: quantizedMatMulContract,
  composite: quantizedMatMulComposite,
};

/** The op from tfjs ops: one linear's weights at a time exist as float32, while it runs. */
export function quantizedMatMulComposite(
  inputs: QuantizedMatMulInputs,
  attrs: QuantizedMatMulAttrs,
): Tensor {
  const x = dequantizedActivations(inputs, attrs);
  return matMulWithRows(inputs, attrs, x, dequantizedWeights(inputs, attrs));
}

/**
 * activation(x W + per-sample rows + bias), for x [..., tokens, d] and weights [d, n] as float32.
 */
export function matMulWithRows(
  inputs: QuantizedMatMulInputs,
  { d, n, activation }: QuantizedMatMulAttrs,
  x: Tensor,
  weights: Tensor,
): Tensor {
  const { bias, residual, coefficients } = inputs;
  const shape = [...x.shape.slice(0, -1), n];
  const matrix = weights as Tensor2D;
  // not batched: tfjs's batched product is slow on WASM
  const own = reshape(matMul(reshape(x, [x.size / d, d]) as Tensor2D, matrix), shape);
  const product = inputs.along === undefined ? own : add(own, productAlong(inputs, shape));
  const parts: Tensor[] = [];
  if (residual !== undefined) parts.push(matMul(residual as Tensor2D, matrix));
  if (coefficients !== undefined) parts.push(basisRows(inputs));
  const rowShape = [...x.shape.slice(0, -2), 1, n];
  const rows = parts.map((part) => reshape(part, rowShape));
  if (bias !== undefined) rows.push(bias);
  const [first, ...others] = rows;
  if (first === undefined) return activate(product, activation);
  const row = others.reduce((sum, other) => add(sum, other), first);
  return activate(add(product, row), activation);
}

/** coefficients · basis, [samples, n]. */
function basisRows({ coefficients, basis, basisScale }: QuantizedMatMulInputs): Tensor {
  return coarseProduct(coefficients!, basis!, basisScale);
}

/** along R, in the shape of the op's result. */
export function productAlong(
  { along, directionWeights, directionScale }: QuantizedMatMulInputs,
  shape: number[],
): Tensor {
  const r = along!.shape[along!.rank - 1]!;
  const factors = reshape(along!, [along!.size / r, r]);
  return reshape(coarseProduct(factors, directionWeights!, directionScale), shape);
}

/** factors [count, r] · rows [k, n]; row i of scaled rows belongs to factor i mod r. */
function coarseProduct(factors: Tensor, rows: Tensor, scale: Tensor | undefined): Tensor {
  const matrix = rows as Tensor2D;
  if (scale === undefined) return matMul(factors as Tensor2D, matrix);
  const [count, rank] = factors.shape as [number, number];
  const more = scale.size - rank;
  const again = more === 0 ? [] : [slice(factors, [0, 0], [count, more])];
  return matMul(mul(concat([factors, ...again], 1), scale) as Tensor2D, matrix);
}

/** x as float32: scale · (code − zero point) where it holds codes. */
export function dequantizedActivations(
  { x, xScale, xZeroPoint }: QuantizedMatMulInputs,
  { d, xFormat }: QuantizedMatMulAttrs,
): Tensor {
  if (xFormat.kind === 'float32') return x;
  const { groupSize } = xFormat.granularity;
  const rows = x.size / d;
  const groups = Math.ceil(d / groupSize);
  const width = groups * groupSize;
  const codes = reshape(cast(x, 'float32'), [rows, d]);
  const missing = width - d;
  const padded =
    missing === 0
      ? codes
      : pad(codes, [
          [0, 0],
          [0, missing],
        ]);
  const offsets = sub(
    reshape(padded, [rows, groups, groupSize]),
    reshape(xZeroPoint!, [rows, groups, 1]),
  );
  const values = mul(offsets, reshape(xScale!, [rows, groups, 1]));
  const flat = reshape(values, [rows, width]);
  return reshape(width === d ? flat : slice(flat, [0, 0], [rows, d]), x.shape);
}

/** W [d, n] as float32: scale · code where it is packed codes [bytes] and scales [groups, n]. */
function dequantizedWeights(
  { codes, scale }: QuantizedMatMulInputs,
  { format, d, n }: QuantizedMatMulAttrs,
): Tensor {
  switch (format.kind) {
    case 'float32':
      return codes;
    case 'uniform':
      return dequantize(codes, scale!, format, d, n);
    default:
      return format satisfies never;
  }
}

function dequantize(
  codes: Tensor,
  scale: Tensor,
  format: GroupedFormat,
  d: number,
  n: number,
): Tensor {
  const { groupSize } = format.granularity;
  const signed = sub(unpack(codes, format.bits, d, n), codeOffset(format));
  const groups = Math.ceil(d / groupSize);
  const padded =
    d === groups * groupSize
      ? signed
      : pad(signed, [
          [0, groups * groupSize - d],
          [0, 0],
        ]);
  const grouped = mul(reshape(padded, [groups, groupSize, n]), reshape(scale, [groups, 1, n]));
  const flat = reshape(grouped, [groups * groupSize, n]);
  return d === groups * groupSize ? flat : slice(flat, [0, 0], [d, n]);
}

/** Packed codes [bytes] → unsigned codes [d, n] as float32. */
function unpack(codes: Tensor, bits: number, d: number, n: number): Tensor {
  const panels = Math.ceil(n / PANEL_COLUMNS);
  const blocks = Math.ceil(d / BLOCK_ROWS);
  const bytes = reshape(cast(codes, 'float32'), [panels * blocks, BLOCK_ROWS * bits]);
  let start = 0;
  let weight = 1;
  let unsigned: Tensor | null = null;
  for (const width of planesOf(bits)) {
    const plane = slice(bytes, [0, start], [panels * blocks, BLOCK_ROWS * width]);
    const values = unpackPlane(plane, width);
    const part = weight === 1 ? values : mul(values, weight);
    unsigned = unsigned === null ? part : add(unsigned, part);
    start += BLOCK_ROWS * width;
    weight *= 2 ** width;
  }
  const ordered = reshape(unsigned!, [panels, blocks, PANEL_COLUMNS, BLOCK_ROWS]);
  const transposed = transpose(ordered, [1, 3, 0, 2]);
  const padded = [blocks * BLOCK_ROWS, panels * PANEL_COLUMNS] as const;
  const matrix = reshape(transposed, [...padded]);
  return padded[0] === d && padded[1] === n ? matrix : slice(matrix, [0, 0], [d, n]);
}

/** Bytes [blocks, 4 · width] as floats → the values of a plane in order, [blocks, 32]. */
function unpackPlane(bytes: Tensor, width: number): Tensor {
  if (width === 8) return bytes;
  const slots: Tensor[] = [];
  let left = bytes;
  for (let slot = 8 / width - 1; slot > 0; slot--) {
    // dividing by a power of two is exact
    const high = floor(mul(left, 2 ** (-slot * width)));
    slots.unshift(high);
    left = sub(left, mul(high, 2 ** (slot * width)));
  }
  return concat([left, ...slots], 1);
}
