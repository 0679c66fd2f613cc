import { checkBytes } from '../../ops/common/checks.js';
import { readArray, readInteger, readObject, readOneOf } from '../../ops/common/readers.js';
import type { Bytes } from '../../ops/numerics/bytes.js';
import { HadaNormError } from '../../ops/numerics/errors.js';
import { crc32 } from '../../ops/numerics/packing.js';

/** Arrays of numbers that can be saved. */
export type Numbers = Float32Array | Float64Array;

/**
 * "HNST", then version, header length and checksum as uint32 (little endian), then the header, then
 * the numbers.
 */
const MAGIC = 0x54534e48;
const VERSION = 1;
const PREFIX_BYTES = 16;
const OP = 'CalibrationStats.deserialize';
const BYTES = { f32: 4, f64: 8 } as const;

interface Envelope {
  readonly data: unknown;
  readonly arrays: readonly { readonly type: 'f32' | 'f64'; readonly length: number }[];
}

const readEnvelope = readObject<Envelope>({
  data: (value) => value,
  arrays: readArray(readObject({ type: readOneOf(['f32', 'f64']), length: readInteger(0) })),
});

/** A JSON value and arrays of numbers as bytes. */
export function encodeRecords(data: unknown, arrays: readonly Numbers[]): Bytes {
  const kinds = arrays.map((array) => ({
    type: array instanceof Float64Array ? 'f64' : 'f32',
    length: array.length,
  }));
  const header = new TextEncoder().encode(JSON.stringify({ data, arrays: kinds }));
  // spaces after JSON do no harm and keep the numbers aligned
  const headerBytes = Math.ceil((PREFIX_BYTES + header.length) / 8) * 8 - PREFIX_BYTES;
  const total = arrays.reduce((sum, { byteLength }) => sum + Math.ceil(byteLength / 8) * 8, 0);
  const out = new Uint8Array(PREFIX_BYTES + headerBytes + total);
  out.fill(32, PREFIX_BYTES, PREFIX_BYTES + headerBytes);
  out.set(header, PREFIX_BYTES);
  let at = PREFIX_BYTES + headerBytes;
  for (const { buffer, byteOffset, byteLength } of arrays) {
    out.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += Math.ceil(byteLength / 8) * 8;
  }
  const prefix = new DataView(out.buffer);
  prefix.setUint32(0, MAGIC, true);
  prefix.setUint32(4, VERSION, true);
  prefix.setUint32(8, headerBytes, true);
  prefix.setInt32(12, crc32(out.subarray(PREFIX_BYTES)), true);
  return out;
}

/** What `encodeRecords` wrote. @throws HadaNormError for anything else. */
export function decodeRecords(bytes: Uint8Array): { header: unknown; arrays: Numbers[] } {
  checkBytes(OP, 'bytes', bytes, 'what serialize returned');
  if (bytes.length < PREFIX_BYTES) fail(`${bytes.length} bytes are no statistics: truncated.`);
  // a copy, so that views of the numbers are aligned; a Buffer's slice would be none
  const copy = new Uint8Array(bytes);
  const prefix = new DataView(copy.buffer);
  if (prefix.getUint32(0, true) !== MAGIC) fail('these bytes are no calibration statistics.');
  const version = prefix.getUint32(4, true);
  if (version > VERSION) {
    const known = `this is version ${VERSION}`;
    fail(`the statistics have version ${version}, ${known}. Update tfjs-hadanorm.`);
  }
  const intact = prefix.getInt32(12, true) === crc32(copy.subarray(PREFIX_BYTES));
  if (!intact || version !== VERSION) damaged();
  const headerEnd = PREFIX_BYTES + prefix.getUint32(8, true);
  // its length is not part of the checksum
  if (headerEnd > copy.length || headerEnd % 8 !== 0) damaged();
  const { data, arrays } = parseHeader(copy.subarray(PREFIX_BYTES, headerEnd));
  const sizes = arrays.map(({ type, length }) => Math.ceil((length * BYTES[type]) / 8) * 8);
  if (sizes.reduce((sum, size) => sum + size, headerEnd) !== copy.length) damaged();
  let at = headerEnd;
  const read = arrays.map(({ type, length }, i) => {
    const start = at;
    at += sizes[i]!;
    return type === 'f64'
      ? new Float64Array(copy.buffer, start, length)
      : new Float32Array(copy.buffer, start, length);
  });
  return { header: data, arrays: read };
}

function parseHeader(bytes: Uint8Array): Envelope {
  let envelope: unknown;
  try {
    envelope = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    damaged();
  }
  return readEnvelope(envelope, 'envelope', { op: OP, wayOut: 'Get the file again.' });
}

function damaged(): never {
  return fail('the checksum does not match: the bytes are truncated or altered. Get them again.');
}

function fail(problem: string): never {
  throw new HadaNormError(OP, problem);
}
