import type { Bytes } from '../../numerics/bytes.js';

/** The bytes behind a base64 string. */
export function fromBase64(base64: string): Bytes {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

/**
 * The same module with its import `env.memory` declared shared, as tfjs's threaded build has it.
 *
 * Plain loads and stores are encoded alike for both, so one binary serves both kinds of memory:
 * only the import's limits change, from {min} (flag 0) to {min, max 65536 pages, shared} (flag 3).
 * `scripts/wasmBinary.ts` asserts that env.memory is the only import, hence that the section ends
 * with these limits.
 */
export function withSharedMemory(bytes: Uint8Array): Bytes {
  const IMPORT_SECTION = 2;
  let at = 8; // behind magic and version
  while (at < bytes.length) {
    const [length, body] = leb128(bytes, at + 1);
    if (bytes[at] === IMPORT_SECTION) {
      const limits = body + length - 2; // flag, then min: 0, one byte
      const changed = [...bytes.subarray(body, limits), 3, bytes[limits + 1]!, 0x80, 0x80, 0x04];
      const before = bytes.subarray(0, at + 1);
      const parts = [before, encodeLeb128(changed.length), changed, bytes.subarray(body + length)];
      return Uint8Array.from(parts.flatMap((part) => [...part]));
    }
    at = body + length;
  }
  return Uint8Array.from(bytes);
}

function leb128(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) return [value, at];
  }
}

function encodeLeb128(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...encodeLeb128(value >>> 7)];
}
