import {
  type Reader,
  readArray,
  readInteger,
  readObject,
  readString,
  recordOf,
  refuse,
} from '../../ops/common/readers.js';
import { describe, HadaNormError } from '../../ops/numerics/errors.js';
import { decodeString } from './attrs.js';
import type { NodeDef } from './ir.js';
import { checkName } from './weightSpecs.js';

/**
 * The nodes of a topology, checked: names that tfjs can hold, each once, inputs and attributes of
 * the types that whoever reads them takes for granted. What else a node holds is left as it is.
 * @throws HadaNormError that names the node.
 */
export function checkedNodes(op: string, nodes: readonly unknown[]): readonly NodeDef[] {
  const by = { op, wayOut: 'Get the model again, or convert it again.' };
  const names = new Set<string>();
  for (const [i, node] of nodes.entries()) {
    const { name } = readNames(node, `node ${i}`, by);
    if (names.has(name))
      throw new HadaNormError(op, `there are two nodes named ${describe(name)}.`);
    names.add(checkName(op, name));
    const { input, attr } = node as { input?: unknown; attr?: unknown };
    const path = `node ${describe(name)}`;
    if (input !== undefined && input !== null) readArray(readString)(input, `input of ${path}`, by);
    if (attr === undefined || attr === null) continue;
    for (const [key, value] of Object.entries(recordOf(attr, `attr of ${path}`, by))) {
      readAttr(value, `attribute ${describe(key)} of ${path}`, by);
    }
  }
  return nodes as readonly NodeDef[];
}

const readNames = readObject({ name: readString, op: readString });

/** A string as bytes: see `decodeString`. */
const readBytes: Reader<string> = (value, path, by) => {
  const text = decodeString(value);
  return text ?? refuse(by, path, 'base64 or bytes', value);
};

/** Numbers of 64 bits come as strings, and those that JSON has no literal for. */
const readNumeric: Reader<number> = (value, path, by) => {
  if (typeof value === 'number') return value;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  return Number.isNaN(number) && value !== 'NaN' ? refuse(by, path, 'a number', value) : number;
};

const readType: Reader<unknown> = (value, path, by) =>
  typeof value === 'string' ? value : readInteger(0)(value, path, by);

const readBoolean: Reader<boolean> = (value, path, by) =>
  typeof value === 'boolean' ? value : refuse(by, path, 'true or false', value);

const readShape: Reader<unknown> = (value, path, by) => {
  const { dim } = recordOf(value, path, by);
  if (dim === undefined || dim === null) return [];
  return readArray((one, at) => {
    const { size } = recordOf(one, at, by);
    return size === undefined || size === null ? 0 : readNumeric(size, `${at}.size`, by);
  })(dim, `${path}.dim`, by);
};

const KINDS: Readonly<Record<string, Reader<unknown>>> = {
  s: readBytes,
  i: readNumeric,
  f: readNumeric,
  b: readBoolean,
  type: readType,
  shape: readShape,
};

/** An attribute of a NodeDef; tensors and functions in it are not looked into. */
const readAttr: Reader<unknown> = (value, path, by) => {
  const given = recordOf(value, path, by);
  for (const [kind, read] of Object.entries(KINDS)) {
    if (given[kind] !== undefined && given[kind] !== null)
      read(given[kind], `${kind} of ${path}`, by);
  }
  if (given.list === undefined || given.list === null) return given;
  const list = recordOf(given.list, `list of ${path}`, by);
  for (const [kind, read] of Object.entries(KINDS)) {
    if (list[kind] !== undefined && list[kind] !== null) {
      readArray(read)(list[kind], `list of ${path}`, by);
    }
  }
  return given;
};
