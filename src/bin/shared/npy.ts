import { InvalidArgumentError } from '../../../ops/numerics/errors.js';

/** An array as a file has it. */
export interface FileArray {
  readonly shape: readonly number[];
  /** Booleans as 0 and 1. */
  readonly values: Float32Array | Int32Array;
}

const MAGIC = '\x93NUMPY';
const ALIGN = 64;

type Read = (view: DataView, at: number) => number;

/** Numbers of NumPy by their descriptor, little endian. */
const DTYPES: Readonly<Record<string, { bytes: number; float: boolean; read: Read }>> = {
  '<f4': { bytes: 4, float: true, read: (view, at) => view.getFloat32(at, true) },
  '<f8': { bytes: 8, float: true, read: (view, at) => view.getFloat64(at, true) },
  '<i4': { bytes: 4, float: false, read: (view, at) => view.getInt32(at, true) },
  '<i8': { bytes: 8, float: false, read: (view, at) => Number(view.getBigInt64(at, true)) },
  '|i1': { bytes: 1, float: false, read: (view, at) => view.getInt8(at) },
  '|u1': { bytes: 1, float: false, read: (view, at) => view.getUint8(at) },
  '|b1': { bytes: 1, float: false, read: (view, at) => view.getUint8(at) },
};

/**
 * Reads a .npy file (NumPy's format, versions 1 to 3): float32 and float64 become float32,
 * integers and booleans int32.
 *
 * @param name Of the file, for errors.
 * @throws InvalidArgumentError for what is no such file, is cut off, in Fortran's order or of
 * another dtype, or of integers that 32 bits do not hold.
 */
export function parseNpy(bytes: Uint8Array, name: string): FileArray {
  const wrong = (wanted: string, got: string): never => {
    throw new InvalidArgumentError('parseNpy', name, wanted, got);
  };
  const latin1 = new TextDecoder('latin1');
  const text = (from: number, to: number) => latin1.decode(bytes.subarray(from, to));
  if (bytes.length < 12 || bytes[0] !== MAGIC.charCodeAt(0) || text(1, 6) !== MAGIC.slice(1)) {
    return wrong('a file of NumPy', `${bytes.length} bytes without its mark`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isFirst = view.getUint8(6) === 1;
  const start = isFirst ? 10 : 12;
  const end = start + (isFirst ? view.getUint16(8, true) : view.getUint32(8, true));
  if (end > bytes.length) return wrong('a whole file', 'one that ends within its header');
  const header = text(start, end);
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1] ?? 'none';
  const type = DTYPES[descr];
  if (type === undefined) return wrong(`of dtype ${Object.keys(DTYPES).join(', ')}`, descr);
  if (/'fortran_order':\s*True/.test(header)) return wrong("in C's order", "Fortran's");
  const shape = [...(/'shape':\s*\(([^)]*)\)/.exec(header)?.[1] ?? '').matchAll(/\d+/g)].map(
    Number,
  );
  const size = shape.reduce((product, dim) => product * dim, 1);
  const wanted = size * type.bytes;
  if (bytes.length - end !== wanted) {
    return wrong(`with ${wanted} bytes of values`, `${bytes.length - end}`);
  }
  const values = new (type.float ? Float32Array : Int32Array)(size);
  for (let i = 0; i < size; i++) {
    const value = type.read(view, end + i * type.bytes);
    values[i] = value;
    if (!type.float && values[i] !== value) return wrong('of integers of 32 bits', `${value}`);
  }
  return { shape, values };
}

/** The bytes of a .npy file of float32 values. */
export function npyBytes(values: Float32Array, shape: readonly number[]): Uint8Array {
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims}), }`;
  const unpadded = 10 + dict.length + 1;
  const header = `${dict}${' '.repeat((ALIGN - (unpadded % ALIGN)) % ALIGN)}\n`;
  const bytes = new Uint8Array(10 + header.length + values.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i);
  bytes[6] = 1;
  view.setUint16(8, header.length, true);
  for (let i = 0; i < header.length; i++) bytes[10 + i] = header.charCodeAt(i);
  values.forEach((value, i) => {
    view.setFloat32(10 + header.length + 4 * i, value, true);
  });
  return bytes;
}
