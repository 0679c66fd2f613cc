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
} from '@tensorflow/tfjs-core';
import { planesOf } from '../common/packing.js';
import type { QuantizedMatMulAttrs, QuantizedMatMulInputs } from './op.js';

/** The op from tfjs ops: one linear's weights at a time exist as float32, while it runs. */
export function quantizedMatMulComposite(
  inputs: QuantizedMatMulInputs,
  attrs: QuantizedMatMulAttrs,
): Tensor {
  const weights = attrs.bits === 32 ? inputs.codes : dequantize(inputs.codes, inputs.scale!, attrs);
  return matMulWithRows(inputs, attrs, weights);
}

/** x W + per-sample rows + bias, for weights [d, n] as float32. */
export function matMulWithRows(
  { x, bias, rest, coefficients, basis }: QuantizedMatMulInputs,
  { d, n }: QuantizedMatMulAttrs,
  weights: Tensor,
): Tensor {
  const shape = [...x.shape.slice(0, -1), n];
  const matrix = weights as Tensor2D;
  // not batched: tfjs's batched product is slow on WASM
  const product = matMul(reshape(x, [x.size / d, d]) as Tensor2D, matrix);
  const parts: Tensor[] = [];
  if (rest !== undefined) parts.push(matMul(rest as Tensor2D, matrix));
  if (coefficients !== undefined) parts.push(matMul(coefficients as Tensor2D, basis as Tensor2D));
  const rowShape = [...x.shape.slice(0, -2), 1, n];
  const rows = parts.map((part) => reshape(part, rowShape));
  if (bias !== undefined) rows.push(bias);
  return rows.length === 0
    ? reshape(product, shape)
    : add(
        reshape(product, shape),
        rows.reduce((sum, row) => add(sum, row)),
      );
}

/** Packed codes [bytes] and scales [groups, n] → W [d, n]. */
function dequantize(
  codes: Tensor,
  scale: Tensor,
  { bits, groupSize, d, n }: QuantizedMatMulAttrs,
): Tensor {
  const count = d * n;
  const bytes = cast(codes, 'float32');
  let start = 0;
  let weight = 1;
  let unsigned: Tensor | null = null;
  for (const width of planesOf(bits)) {
    const length = Math.ceil((count * width) / 8);
    const plane = unpackPlane(slice(bytes, [start], [length]), width, count);
    const part = weight === 1 ? plane : mul(plane, weight);
    unsigned = unsigned === null ? part : add(unsigned, part);
    start += length;
    weight *= 2 ** width;
  }
  const signed = reshape(sub(unsigned!, 2 ** (bits - 1)), [d, n]);
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

/** Bytes [length] as floats → the values of a plane in order, [count]. */
function unpackPlane(bytes: Tensor, width: number, count: number): Tensor {
  if (width === 8) return bytes;
  const slots: Tensor[] = [];
  let left = bytes;
  for (let slot = 8 / width - 1; slot > 0; slot--) {
    // dividing by a power of two is exact
    const high = floor(mul(left, 2 ** (-slot * width)));
    slots.unshift(high);
    left = sub(left, mul(high, 2 ** (slot * width)));
  }
  const all = concat([left, ...slots]);
  return all.size === count ? all : slice(all, [0], [count]);
}
