import type { io } from '@tensorflow/tfjs-core';
import {
  type Reader,
  type ReadFor,
  readArray,
  readFinite,
  readInteger,
  readObject,
  readOneOf,
  readString,
  refuse,
} from '../../ops/common/readers.js';
import { describe, HadaNormError } from '../../ops/numerics/errors.js';

/** How tfjs stores a weight in fewer bits: see `io.WeightsManifestEntry`. */
export type WeightSpec = io.WeightsManifestEntry;

/** Bytes of an element of each dtype, and of each that tfjs stores others in. */
export const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  bool: 1,
  complex64: 8,
  uint8: 1,
  uint16: 2,
  float16: 2,
};

/** What a file says of its weights: each name once, sizes that can be counted, known dtypes. */
export function checkedSpecs(op: string, specs: unknown): readonly WeightSpec[] {
  const by: ReadFor = { op, wayOut: 'Get the model again.' };
  const names = new Set<string>();
  readArray((value, path) => {
    const { name, shape } = readSpec(value, path, by);
    if (names.has(name)) {
      throw new HadaNormError(op, `there are two weights named ${describe(name)}.`);
    }
    names.add(checkName(op, name));
    // 8 bytes at most are an element's
    if (!Number.isSafeInteger(shape.reduce((size, dim) => size * (dim || 1), 8))) {
      refuse(by, `${path}.shape`, 'one whose product can be counted', shape);
    }
    return name;
  })(specs, 'weightSpecs', by);
  return specs as readonly WeightSpec[];
}

/**
 * The name of a node or weight.
 * @throws HadaNormError for one that every object has: tfjs fails on them when it runs a model.
 */
export function checkName(op: string, name: string): string {
  if (!(name in Object.prototype)) return name;
  const problem = `the model has a node or weight named ${describe(name)}, which tfjs cannot run.`;
  throw new HadaNormError(op, `${problem} Rename it, and convert the model again.`);
}

const readSpecFields = readObject<Pick<WeightSpec, 'name' | 'shape'>>({
  name: readString,
  shape: readArray(readInteger(0)),
});

const readSpec: Reader<Pick<WeightSpec, 'name' | 'shape'>> = (value, path, by) => {
  const fields = readSpecFields(value, path, by);
  const { dtype, quantization } = value as { dtype: unknown; quantization?: unknown };
  const known =
    typeof dtype === 'string' && (dtype === 'string' || Object.hasOwn(ELEMENT_BYTES, dtype));
  if (!known) {
    const problem = `weight ${describe(fields.name)} has the dtype ${describe(dtype)}.`;
    throw new HadaNormError(by.op, problem);
  }
  if (quantization === undefined) return fields;
  const at = `${path}.quantization`;
  const stored = readObject({ dtype: readOneOf(['uint8', 'uint16', 'float16']) });
  const { dtype: storedAs } = stored(quantization, at, by);
  if (dtype !== 'float32' && (dtype !== 'int32' || storedAs === 'float16')) {
    refuse(by, at, `none for a weight of dtype ${dtype}`, storedAs);
  }
  if (storedAs !== 'float16')
    readObject({ scale: readFinite, min: readFinite })(quantization, at, by);
  return fields;
};
