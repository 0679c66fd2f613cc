import * as tf from '@tensorflow/tfjs';
import { packCodes } from '../../../ops/numerics/packing.js';
import {
  type PackedWeights,
  type QuantizedActivations,
  quantizedMatMul,
} from '../../../src/index.js';
import { normal, uniform } from '../numbers/random.js';

/** Bytes of the textures in use. */
export function gpuBytes(): number {
  return (tf.memory() as tf.MemoryInfo & { numBytesInGPU: number }).numBytesInGPU;
}

/** The product's values, on the current backend. */
export function run(x: tf.Tensor | QuantizedActivations, weights: PackedWeights): Float32Array {
  return tf.tidy(() => quantizedMatMul(x, weights).dataSync().slice() as Float32Array);
}

/** The same on the cpu backend, from copies. */
export function onCpu(x: tf.Tensor | QuantizedActivations, weights: PackedWeights): Float32Array {
  const copy = <T extends tf.Tensor | undefined>(given: T) =>
    given === undefined
      ? undefined
      : { values: given.dataSync().slice(), shape: given.shape, dtype: given.dtype };
  const parts =
    x instanceof tf.Tensor ? [copy(x)] : [copy(x.codes), copy(x.scale), copy(x.zeroPoint)];
  const all = [...parts, copy(weights.codes), copy(weights.scale)];
  void tf.setBackend('cpu');
  try {
    return tf.tidy(() => {
      const made = all.map((part) => tf.tensor(part!.values, part!.shape, part!.dtype));
      const [codes, scale] = made.slice(-2);
      const given = { ...weights, codes: codes!, scale: scale! };
      if (x instanceof tf.Tensor) return run(made[0]!, given);
      return run({ ...x, codes: made[0]!, scale: made[1]!, zeroPoint: made[2]! }, given);
    });
  } finally {
    void tf.setBackend('webgl');
  }
}

/** Codes [d, n] and scales [groups, n]. */
export function randomWeights(d: number, n: number, bits: number, groupSize: number) {
  const next = uniform(d + n);
  const codes = Int8Array.from({ length: d * n }, () => Math.floor((next() - 0.5) * 2 ** bits));
  const scale = normal(Math.ceil(d / groupSize) * n, n).map((v) => 0.01 * (0.2 + Math.abs(v)));
  return { codes, scale };
}

/** The same as weights. */
export function packedWeights(
  d: number,
  n: number,
  bits: number,
  groupSize: number,
): PackedWeights {
  const { codes, scale } = randomWeights(d, n, bits, groupSize);
  return {
    codes: tf.tensor1d(packCodes(codes, d, n, bits), 'bool'),
    scale: tf.tensor2d(scale, [Math.ceil(d / groupSize), n]),
    ...{ bits, groupSize, shape: [d, n] },
  };
}

/** Codes of 8 bits for `rows` tokens. */
export function activations(rows: number, d: number, groupSize = d): QuantizedActivations {
  const next = uniform(rows + d);
  const groups = Math.ceil(d / groupSize);
  const bytes = (count: number) => Int32Array.from({ length: count }, () => next() * 256);
  return {
    codes: tf.tensor2d(bytes(rows * d), [rows, d], 'int32'),
    scale: tf.tensor2d(
      normal(rows * groups, 4).map((v) => 0.01 + Math.abs(v)),
      [rows, groups],
    ),
    zeroPoint: tf.tensor2d(Float32Array.from(bytes(rows * groups)), [rows, groups]),
    ...{ bits: 8, groupSize },
  };
}
