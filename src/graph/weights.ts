import { io, type NamedTensorMap, type Tensor, type TypedArray, util } from '@tensorflow/tfjs-core';
import { valuesOf } from '../../ops/common/alive.js';
import { stringBytes } from '../../ops/common/kernel.js';
import { describe, HadaNormError } from '../../ops/numerics/errors.js';
import { halfBitsOf } from '../../ops/numerics/half.js';
import { roundHalfToEven } from '../../ops/numerics/quantization.js';
import { type Chunk, Chunks } from './chunks.js';
import { checkedSpecs, ELEMENT_BYTES, type WeightSpec } from './weightSpecs.js';

export type { WeightSpec } from './weightSpecs.js';

/** The numbers of a weight, or its strings as bytes. */
export type WeightValues = TypedArray | Uint8Array[];

/**
 * A weight by name; its values are read only when someone asks, from the file or from a loaded
 * tensor.
 */
export interface Weight {
  readonly spec: WeightSpec;
  /** The values, dequantized. Not cached: hold on to them no longer than needed. */
  readonly values: () => WeightValues;
  /** As the file stores it. */
  readonly bytes: () => ArrayBuffer;
}

/**
 * Weights as slices of a model's data, in the order of its specs. Strings are found by walking
 * their lengths.
 */
export function weightsFromData(
  specs: readonly WeightSpec[],
  data: io.WeightData | readonly Chunk[] | undefined,
  op = 'graphFromArtifacts',
): Map<string, Weight> {
  const chunks = new Chunks(data, op);
  const weights = new Map<string, Weight>();
  let start = 0;
  for (const spec of checkedSpecs(op, specs)) {
    const end = start + bytesIn(chunks, spec, start);
    if (end > chunks.byteLength) {
      const where = `the weight data ends inside ${describe(spec.name)}`;
      const problem = `${where}: ${chunks.byteLength} bytes, ${end} wanted.`;
      throw new HadaNormError(op, `${problem} The file is truncated; get it again.`);
    }
    const from = start;
    const bytes = () => chunks.slice(from, end);
    weights.set(spec.name, { spec, bytes, values: () => decodeWeight(op, spec, bytes()) });
    start = end;
  }
  return weights;
}

/** Weights that live in tensors of a loaded model; `op` is who is named where they are gone. */
export function weightsFromTensors(
  specs: readonly WeightSpec[],
  tensors: Readonly<Record<string, readonly Tensor[]>>,
  op = 'graph',
): Map<string, Weight> {
  const weights = new Map<string, Weight>();
  for (const spec of checkedSpecs(op, specs)) {
    const read = () => {
      const [tensor] = Object.hasOwn(tensors, spec.name) ? tensors[spec.name]! : [];
      if (tensor !== undefined && !tensor.isDisposed) return tensorValues(op, tensor);
      const problem = `the weight ${describe(spec.name)} is gone: the model was disposed.`;
      throw new HadaNormError(op, `${problem} Load it again.`);
    };
    weights.set(spec.name, { spec, values: read, bytes: () => encodeWeight(spec, read()) });
  }
  return weights;
}

/** A weight that a pass makes. */
export function weightOf(spec: WeightSpec, values: TypedArray): Weight {
  return { spec, values: () => values, bytes: () => encodeWeight(spec, values) };
}

/** Bytes of a weight in the file. */
export function weightBytes({ spec, bytes }: Weight): number {
  return spec.dtype === 'string' ? bytes().byteLength : storedBytes(spec);
}

/** The same of numbers, which a spec tells alone. */
export function storedBytes(spec: WeightSpec): number {
  return util.sizeFromShape(spec.shape) * elementBytes(spec);
}

/** The values that `bytes` stand for, by tfjs's own decoder. */
function decodeWeight(op: string, spec: WeightSpec, bytes: ArrayBuffer): WeightValues {
  const decoded: NamedTensorMap = io.decodeWeights(bytes, [spec]);
  const tensor = decoded[spec.name]!;
  try {
    return tensorValues(op, tensor);
  } finally {
    tensor.dispose();
  }
}

/**
 * The inverse of tfjs's decoder: values that came from a quantized file give the very codes again.
 */
export function encodeWeight(spec: WeightSpec, values: WeightValues): ArrayBuffer {
  if (spec.dtype === 'string') return encodeStrings(values as Uint8Array[]);
  const numbers = values as TypedArray;
  const { quantization } = spec;
  if (quantization === undefined) return encodePlain(spec, numbers);
  if (quantization.dtype === 'float16') {
    return halfBitsOf(numbers).buffer;
  }
  const { scale = 1, min = 0 } = quantization;
  const max = quantization.dtype === 'uint8' ? 255 : 65535;
  const code = (v: number) => Math.min(Math.max(roundHalfToEven((v - min) / scale), 0), max);
  // a loop: `from` with a function makes a list of numbers first
  const made = new (quantization.dtype === 'uint8' ? Uint8Array : Uint16Array)(numbers.length);
  for (let i = 0; i < made.length; i++) made[i] = code(numbers[i]!);
  return made.buffer;
}

function encodePlain({ name, dtype }: WeightSpec, values: TypedArray): ArrayBuffer {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return Float32Array.from(values).buffer;
    case 'int32':
      return Int32Array.from(values).buffer;
    case 'bool':
      return Uint8Array.from(values).buffer;
    default:
      throw new HadaNormError(
        'graph',
        `weight ${describe(name)} has the dtype ${describe(dtype)}.`,
      );
  }
}

/** tfjs's layout of string weights: each one's length as uint32, then its bytes. */
function encodeStrings(values: readonly Uint8Array[]): ArrayBuffer {
  const total = values.reduce((sum, { byteLength }) => sum + 4 + byteLength, 0);
  const out = new Uint8Array(total);
  const view = new DataView(out.buffer);
  let at = 0;
  for (const value of values) {
    view.setUint32(at, value.byteLength, true);
    out.set(value, at + 4);
    at += 4 + value.byteLength;
  }
  return out.buffer;
}

function tensorValues(op: string, tensor: Tensor): WeightValues {
  return tensor.dtype === 'string' ? stringBytes(op, tensor) : valuesOf(op, tensor);
}

function elementBytes({ name, dtype, quantization }: WeightSpec): number {
  const bytes = ELEMENT_BYTES[quantization?.dtype ?? dtype];
  if (bytes !== undefined) return bytes;
  throw new HadaNormError('graph', `weight ${describe(name)} has the dtype ${describe(dtype)}.`);
}

/**
 * Bytes of the weight that begins at `start`; as many as are missing at least, where strings go
 * beyond the end.
 */
function bytesIn(chunks: Chunks, spec: WeightSpec, start: number): number {
  const count = util.sizeFromShape(spec.shape);
  if (spec.dtype !== 'string') return count * elementBytes(spec);
  let at = start;
  for (let i = 0; i < count; i++) {
    if (at + 4 > chunks.byteLength) return at + 4 - start;
    at += 4 + new DataView(chunks.slice(at, at + 4)).getUint32(0, true);
  }
  return at - start;
}
