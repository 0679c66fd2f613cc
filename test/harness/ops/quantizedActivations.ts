import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { QuantizedActivations } from '../../../src/index.js';

/** What codes stand for, computed on host memory in float32 as kernels do. */
export function dequantized({ codes, scale, zeroPoint, groupSize }: QuantizedActivations) {
  const d = codes.shape[codes.rank - 1]!;
  const groups = scale.shape[scale.rank - 1]!;
  const [q, s, z] = [codes.dataSync(), scale.dataSync(), zeroPoint.dataSync()];
  const groupOf = (at: number) => Math.floor(at / d) * groups + Math.floor((at % d) / groupSize);
  const values = Float32Array.from(q, (code, at) => (code - z[groupOf(at)]!) * s[groupOf(at)]!);
  return tf.tensor(values, codes.shape);
}

/** Checks dtypes, shapes and ranges: what every kernel promises. */
export function expectWellFormed(q: QuantizedActivations, shape: readonly number[]): void {
  const { codes, scale, zeroPoint, bits, groupSize } = q;
  const groups = [...shape.slice(0, -1), Math.ceil(shape[shape.length - 1]! / groupSize)];
  expect(codes.dtype).to.be.oneOf(['int32', 'bool']);
  expect([codes.shape, scale.shape, zeroPoint.shape]).to.deep.equal([shape, groups, groups]);
  expect([scale.dtype, zeroPoint.dtype]).to.deep.equal(['float32', 'float32']);
  for (const values of [codes.dataSync(), zeroPoint.dataSync()]) {
    const odd = values.findIndex((v) => !(Number.isInteger(v) && v >= 0 && v < 2 ** bits));
    expect(odd, `an integer from 0 to ${2 ** bits - 1}, not ${values[odd]}`).to.equal(-1);
  }
}
