import type { NodeAttrs } from '../../ops/common/contract.js';
import { describe, HadaNormError } from '../../ops/numerics/errors.js';

/** An attribute of a NodeDef as a model.json holds it: which key is there says what kind it is. */
export type AttrValue = Readonly<Record<string, unknown>>;

/** Attributes by name. */
export type Attrs = Readonly<Record<string, AttrValue>>;

/** Dtypes of TensorFlow that tfjs loads, by enum name and number. */
const DTYPES: readonly (readonly [string, number, string])[] = [
  ['DT_FLOAT', 1, 'float32'],
  ['DT_DOUBLE', 2, 'float32'],
  ['DT_INT32', 3, 'int32'],
  ['DT_UINT8', 4, 'int32'],
  ['DT_INT8', 6, 'int32'],
  ['DT_STRING', 7, 'string'],
  ['DT_COMPLEX64', 8, 'complex64'],
  ['DT_INT64', 9, 'int32'],
  ['DT_BOOL', 10, 'bool'],
  ['DT_COMPLEX128', 18, 'complex64'],
  ['DT_HALF', 19, 'float32'],
];

/**
 * A string attribute (`s`): base64, as the JSON of protocol buffers has bytes, or a list of bytes.
 */
export function stringAttr(attrs: Attrs, name: string, fallback = ''): string {
  const value = attrs[name]?.s;
  return value === undefined || value === null ? fallback : textOf(value);
}

/** A list of strings (`list.s`), each in either encoding. */
export function stringsAttr(attrs: Attrs, name: string): string[] {
  return listOf(attrs, name, 's').map(textOf);
}

/** A bool attribute (`b`). */
export function boolAttr(attrs: Attrs, name: string, fallback = false): boolean {
  const value = attrs[name]?.b;
  return value === undefined || value === null ? fallback : value === true;
}

/** The attributes as the ops of this package read them in a run: see `NodeContract`. */
export function nodeAttrs(attrs: Attrs): NodeAttrs {
  const isThere = (name: string, ...kinds: string[]) =>
    kinds.some((kind) => attrs[name]?.[kind] != null);
  return {
    number: (name) => (isThere(name, 'i', 'f') ? numberAttr(attrs, name, 0) : undefined),
    bool: (name) => (isThere(name, 'b') ? boolAttr(attrs, name) : undefined),
    string: (name) => (isThere(name, 's') ? stringAttr(attrs, name).toLowerCase() : undefined),
  };
}

/** A number attribute (`i`, a string where it may be 64 bits wide, or `f`). */
export function numberAttr(attrs: Attrs, name: string, fallback: number): number {
  const value = attrs[name]?.i ?? attrs[name]?.f;
  return value === undefined || value === null ? fallback : Number(value);
}

/** A list of integers (`list.i`). */
export function numbersAttr(attrs: Attrs, name: string): number[] {
  return listOf(attrs, name, 'i').map(Number);
}

/**
 * A dtype attribute (`type`) as tfjs names it: by 'DT_FLOAT' or by number; null for one that tfjs
 * lacks.
 */
export function dtypeAttr(attrs: Attrs, name: string): string | null {
  const value = attrs[name]?.type;
  const found = DTYPES.find(([text, number]) => value === text || value === number);
  return found?.[2] ?? null;
}

/** A shape attribute (`shape`): −1 for an unknown dimension; null for an unknown rank. */
export function shapeAttr(attrs: Attrs, name: string): number[] | null {
  const shape = attrs[name]?.shape as
    | { unknownRank?: boolean; dim?: readonly { size?: string | number }[] }
    | undefined;
  if (shape === undefined || shape === null || shape.unknownRank === true) return null;
  return (shape.dim ?? []).map(({ size }) => Number(size ?? 0));
}

/**
 * Attributes of new nodes: values that an attribute can hold, by its kind.
 */
export const attr = {
  bool: (b: boolean): AttrValue => ({ b }),
  int: (i: number): AttrValue => ({ i: `${i}` }),
  float: (f: number): AttrValue => ({ f }),
  string: (s: string): AttrValue => ({ s: btoa(s) }),
  strings: (s: readonly string[]): AttrValue => ({ list: { s: s.map((text) => btoa(text)) } }),
  floats: (f: readonly number[]): AttrValue => ({ list: { f } }),
  ints: (i: readonly number[]): AttrValue => ({ list: { i: i.map(String) } }),
  type: (dtype: 'float32' | 'int32' | 'bool'): AttrValue => ({
    type: DTYPES.find(([, , name]) => name === dtype)![0],
  }),
  /** −1 for an unknown dimension. */
  shape: (shape: readonly number[]): AttrValue => ({
    shape: { dim: shape.map((size) => ({ size: `${size}` })) },
  }),
  /** What a Const says of its tensor; the values are in the weights. */
  tensor: ({ type }: AttrValue, shape: readonly number[]): AttrValue => ({
    tensor: { dtype: type, tensorShape: attr.shape(shape).shape },
  }),
} as const;

function listOf(attrs: Attrs, name: string, kind: string): unknown[] {
  const list = attrs[name]?.list as Record<string, unknown> | undefined;
  const values = list?.[kind];
  return Array.isArray(values) ? values : [];
}

/** A string in either encoding; null where a value is in none. */
export function decodeString(value: unknown): string | null {
  if (typeof value === 'string') {
    try {
      // the JSON of protocol buffers may be in the alphabet for URLs
      return atob(value.replaceAll('-', '+').replaceAll('_', '/'));
    } catch {
      return null;
    }
  }
  const bytes = value instanceof Uint8Array ? [...value] : value;
  if (!Array.isArray(bytes)) return null;
  const isByte = (byte: unknown) => Number.isInteger(byte) && (byte as number) >= 0;
  if (!bytes.every((byte) => isByte(byte) && byte < 256)) return null;
  return bytes.map((byte: number) => String.fromCharCode(byte)).join('');
}

/** Reading has checked the attributes of a file; a pass's own are right. */
function textOf(value: unknown): string {
  const text = decodeString(value);
  if (text !== null) return text;
  const wrong = typeof value === 'string' ? 'is not base64:' : 'holds';
  throw new HadaNormError('graph', `a string attribute ${wrong} ${describe(value)}.`);
}
