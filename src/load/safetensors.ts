import { checkBytes } from '../../ops/common/checks.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { fromHalfBits } from '../../ops/numerics/half.js';
import { repeatedKey } from './repeatedKeys.js';

const OP = 'parseSafetensors';

/** As the format has it. */
const MAX_HEADER_BYTES = 100_000_000;

type ReadElement = (view: DataView, at: number) => number;

const BFLOAT_VIEW = new DataView(new ArrayBuffer(4));

const DTYPES: Readonly<Record<string, { readonly bytes: number; readonly read: ReadElement }>> = {
  F16: { bytes: 2, read: (view, at) => fromHalfBits(view.getUint16(at, true)) },
  BF16: {
    bytes: 2,
    read: (view, at) => {
      BFLOAT_VIEW.setUint16(0, view.getUint16(at, true));
      return BFLOAT_VIEW.getFloat32(0);
    },
  },
  F32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
};

interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a safetensors file: its tensors by name, widened to float32.
 *
 * @param bytes The whole file. Tensors of F16, BF16 and F32 are read; tensors must fill the data
 * without gaps or overlaps.
 * @throws HadaNormError for a file that is cut off or whose header is no header, or holds a name
 * twice.
 * @throws InvalidArgumentError for a tensor that is described wrongly, overlaps another, or has
 * another dtype.
 */
export function parseSafetensors(bytes: Uint8Array): Map<string, WeightValues> {
  checkBytes(OP, 'bytes', bytes, 'the whole file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 8)
    throw broken(`the file ends after ${bytes.length} bytes, before its header`);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES) throw broken(`a header of ${headerBytes} bytes is too long`);
  const start = 8 + headerBytes;
  if (start > bytes.length) throw broken(`the file ends within its header of ${headerBytes} bytes`);
  const entries = entriesOf(headerOf(bytes.subarray(8, start)));
  checkLayout(entries, bytes.length - start);
  return new Map(
    entries.map(({ name, shape, dtype, begin, end }) => {
      const { bytes: size, read } = DTYPES[dtype]!;
      const values = new Float32Array((end - begin) / size);
      for (let i = 0; i < values.length; i++) values[i] = read(view, start + begin + i * size);
      return [name, { shape, values }];
    }),
  );
}

/**
 * All tensors of several shards. @throws InvalidArgumentError for a name that is in two of them.
 */
export function mergeShards(
  shards: readonly ReadonlyMap<string, WeightValues>[],
): Map<string, WeightValues> {
  const all = new Map<string, WeightValues>();
  for (const [i, shard] of shards.entries()) {
    for (const [name, weight] of shard) {
      if (all.has(name)) {
        const got = `${JSON.stringify(name)} again in shard ${i}`;
        throw new InvalidArgumentError('mergeShards', 'shards', 'of different tensors', got);
      }
      all.set(name, weight);
    }
  }
  return all;
}

function headerOf(bytes: Uint8Array): Record<string, unknown> {
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
  if (repeated !== null) throw broken(`the header has ${describe(repeated)} twice`);
  return header;
}

function entriesOf(header: Record<string, unknown>): Entry[] {
  const { __metadata__: metadata = {}, ...tensors } = header;
  const isText = (value: unknown) => typeof value === 'string';
  if (!isRecord(metadata) || !Object.values(metadata).every(isText)) {
    throw invalid('__metadata__', 'a map of strings', metadata);
  }
  return Object.entries(tensors).map(([name, entry]) => entryOf(name, entry));
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

function checkLayout(entries: readonly Entry[], size: number): void {
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

/** A weight: its shape, and its values in row-major order. */
export interface WeightValues {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}
