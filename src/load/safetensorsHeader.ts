import type { Floats } from '../../ops/numerics/bytes.js';
import { HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { fromHalfBits } from '../../ops/numerics/half.js';
import { repeatedKey } from './repeatedKeys.js';

const OP = 'parseSafetensors';

/** As the format has it. */
const MAX_HEADER_BYTES = 100_000_000;

const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

type Widen = (view: DataView, values: Float32Array) => void;

const DTYPES: Readonly<Record<string, { readonly bytes: number; readonly widen: Widen }>> = {
  F16: {
    bytes: 2,
    widen: (view, values) => {
      for (let i = 0; i < values.length; i++) values[i] = fromHalfBits(view.getUint16(2 * i, true));
    },
  },
  BF16: {
    bytes: 2,
    widen: (view, values) => {
      // a bfloat is the upper half of a float
      const bits = new Uint32Array(values.buffer);
      for (let i = 0; i < bits.length; i++) bits[i] = view.getUint16(2 * i, true) << 16;
    },
  },
  F32: {
    bytes: 4,
    widen: (view, values) => {
      const bits = new Uint32Array(values.buffer);
      for (let i = 0; i < bits.length; i++) bits[i] = view.getUint32(4 * i, true);
    },
  },
};

/** A tensor of a safetensors file; its bytes are counted from the end of the header. */
export interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly begin: number;
  readonly end: number;
}

/** Bytes of the header, from the first 8 of a file. */
export function headerBytesOf(start: Uint8Array): number {
  if (start.length < 8)
    throw broken(`the file ends after ${start.length} bytes, before its header`);
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES) throw broken(`a header of ${headerBytes} bytes is too long`);
  return headerBytes;
}

/** What a file that is shorter than its header says gets. */
export function cutHeader(headerBytes: number): HadaNormError {
  return broken(`the file ends within its header of ${headerBytes} bytes`);
}

/**
 * The tensors that a header tells of.
 * @param size Bytes behind the header; null where nobody knows before they have come.
 */
export function entriesOf(header: Uint8Array, size: number | null): Entry[] {
  const { __metadata__: metadata = {}, ...tensors } = parsed(header);
  const isText = (value: unknown) => typeof value === 'string';
  if (!isRecord(metadata) || !Object.values(metadata).every(isText)) {
    throw invalid('__metadata__', 'a map of strings', metadata);
  }
  const entries = Object.entries(tensors).map(([name, entry]) => entryOf(name, entry));
  checkLayout(entries, size);
  return entries;
}

/** The values of a tensor from its bytes, widened to float32; float32 may keep their memory. */
export function widened({ dtype }: Entry, bytes: Uint8Array): Floats {
  const { bytes: size, widen } = DTYPES[dtype]!;
  // memory of its own is taken as it is: a tensor may have hundreds of megabytes
  const isInPlace = dtype === 'F32' && IS_LITTLE_ENDIAN && bytes.length === bytes.buffer.byteLength;
  if (isInPlace) return new Float32Array(bytes.buffer as ArrayBuffer);
  const values = new Float32Array(bytes.length / size);
  widen(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), values);
  return values;
}

function parsed(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (error) {
    throw broken(`the header is not JSON (${error instanceof Error ? error.message : error})`);
  }
  if (!isRecord(header)) throw broken('the header is not a JSON object');
  const repeated = repeatedKey(text);
  if (repeated !== null) throw broken(`the header has ${JSON.stringify(repeated)} twice`);
  return header;
}

function entryOf(name: string, entry: unknown): Entry {
  const { dtype, shape, data_offsets: offsets } = isRecord(entry) ? entry : {};
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPES, dtype)) {
    throw invalid(`dtype of ${name}`, Object.keys(DTYPES).join(', '), dtype);
  }
  if (!isSizes(shape)) throw invalid(`shape of ${name}`, 'a list of sizes', shape);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw invalid(`data_offsets of ${name}`, 'two offsets', offsets);
  }
  const [begin, end] = offsets as [number, number];
  const product = shape.reduce((size, dim) => size * (dim || 1), DTYPES[dtype]!.bytes);
  const length = shape.includes(0) ? 0 : product;
  if (end - begin !== length) {
    const wanted = `${length} bytes apart, for ${dtype} [${shape}]`;
    throw invalid(`data_offsets of ${name}`, wanted, offsets);
  }
  if (!Number.isSafeInteger(product)) {
    throw invalid(`shape of ${name}`, 'one whose product can be counted', shape);
  }
  return { name, shape, dtype, begin, end };
}

function checkLayout(entries: readonly Entry[], size: number | null): void {
  let at = 0;
  for (const { name, begin, end } of [...entries].sort(
    (a, b) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== at) {
      const wanted = `from ${at}, where the tensor before it ends`;
      throw invalid(`data_offsets of ${name}`, wanted, [begin, end]);
    }
    at = end;
  }
  if (size === null) return;
  if (at > size) throw broken(`the file ends after ${size} of ${at} bytes of data`);
  if (at < size) throw broken(`${size - at} bytes follow the last tensor`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function broken(message: string): HadaNormError {
  return new HadaNormError(OP, `${message}.`);
}

function invalid(argument: string, wanted: string, got: unknown): InvalidArgumentError {
  const text = got === undefined ? 'none' : JSON.stringify(got);
  return new InvalidArgumentError(OP, argument, wanted, text);
}
