/**
 * The layout of packed codes, version 1. It is part of the file format.
 *
 * A code q in [−2^(b−1), 2^(b−1)) is stored as u = q + 2^(b−1). The b bits of u go to planes whose widths are powers of
 * two, lowest bits first (4 → 4; 3 → 2 + 1; 7 → 4 + 2 + 1). A plane of p bits holds 8/p codes a byte, at a stride: byte j
 * has the codes j, j + L, j + 2L, … in its bits from the lowest up, L = ⌈count · p / 8⌉. So unpacking is a concatenation,
 * which every backend has, and b bits take b/8 bytes a code at every b.
 */
export const PACKING_VERSION = 1;

/** Widths of the planes of b-bit codes, lowest bits first. */
export function planesOf(bits: number): number[] {
  return [8, 4, 2, 1].filter((width) => (bits & width) !== 0);
}

/** Bytes of `count` packed codes. */
export function packedBytes(count: number, bits: number): number {
  return planesOf(bits).reduce((sum, width) => sum + Math.ceil((count * width) / 8), 0);
}

/** Packs codes in [−2^(bits−1), 2^(bits−1)). */
export function packCodes(codes: Int8Array, bits: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(packedBytes(codes.length, bits));
  const offset = 2 ** (bits - 1);
  let start = 0;
  let shift = 0;
  for (const width of planesOf(bits)) {
    const length = Math.ceil((codes.length * width) / 8);
    const mask = 2 ** width - 1;
    for (let i = 0, j = 0, slot = 0; i < codes.length; i++) {
      const part = ((codes[i]! + offset) >> shift) & mask;
      out[start + j] = out[start + j]! | (part << slot);
      if (++j === length) {
        j = 0;
        slot += width;
      }
    }
    start += length;
    shift += width;
  }
  return out;
}

/** The codes from `begin` to `end` (exclusive) of `count` packed ones, written to the start of `out`. */
export function unpackCodes(
  packed: Uint8Array,
  count: number,
  bits: number,
  begin: number,
  end: number,
  out: Int8Array,
): void {
  const offset = 2 ** (bits - 1);
  out.fill(-offset, 0, end - begin);
  let start = 0;
  let shift = 0;
  for (const width of planesOf(bits)) {
    const length = Math.ceil((count * width) / 8);
    const mask = 2 ** width - 1;
    for (let i = begin, at = 0; i < end; ) {
      const slot = Math.floor(i / length);
      const stop = Math.min(end, (slot + 1) * length);
      const byteAt = start - slot * length;
      for (; i < stop; i++, at++) {
        out[at] = out[at]! + (((packed[byteAt + i]! >> (slot * width)) & mask) << shift);
      }
    }
    start += length;
    shift += width;
  }
}

/** CRC-32 (IEEE 802.3) of bytes, as a signed 32-bit integer. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ bytes[i]!) & 0xff]!;
  return ~crc;
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let c = byte;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c;
});
