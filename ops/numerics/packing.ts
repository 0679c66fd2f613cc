import type { Bytes } from './bytes.js';

/**
 * The layout of packed codes, version 2. It is part of the file format, and it is the order in
 * which kernels on SIMD units read them, so that nothing is repacked at run time.
 *
 * A matrix [d, n] of codes q in [−2^(b−1), 2^(b−1)) is stored as u = q + 2^(b−1), padded by codes
 * of 0 to multiples of 4 rows and 8 columns. Panel p has the columns 8p … 8p + 7; it consists of
 * ⌈d/4⌉ blocks of 4 rows, the first rows first. A block has 32 codes: row k of its 4 and column c
 * of its 8 is number 4c + k.
 *
 * The b bits of a block's u go to planes whose widths are powers of two, lowest bits first (4 → 4;
 * 3 → 2 + 1; 7 → 4 + 2 + 1), one plane after the other. A plane of p bits takes 4p bytes; its byte
 * j has the codes j, j + 4p, j + 8p, … in its bits from the lowest up. So b bits take b/8 bytes a
 * code at every b, and a mask and a shift unpack 16 codes at a time.
 */
export const PACKING_VERSION = 2;

/** Columns of a panel. */
export const PANEL_COLUMNS = 8;
/** Rows of a block. */
export const BLOCK_ROWS = 4;
const BLOCK_CODES = PANEL_COLUMNS * BLOCK_ROWS;

/** Widths of the planes of b-bit codes, lowest bits first. */
export function planesOf(bits: number): number[] {
  return [8, 4, 2, 1].filter((width) => (bits & width) !== 0);
}

/** Bytes of the packed codes of a matrix [d, n]. */
export function packedBytes(d: number, n: number, bits: number): number {
  return Math.ceil(n / PANEL_COLUMNS) * Math.ceil(d / BLOCK_ROWS) * blockBytes(bits);
}

/** Packs codes [d, n], row-major, in [−2^(bits−1), 2^(bits−1)). */
export function packCodes(codes: Int8Array, d: number, n: number, bits: number): Bytes {
  const out = new Uint8Array(packedBytes(d, n, bits));
  const offset = 2 ** (bits - 1);
  const block = new Uint8Array(BLOCK_CODES);
  let at = 0;
  for (let column = 0; column < n; column += PANEL_COLUMNS) {
    for (let row = 0; row < d; row += BLOCK_ROWS, at += blockBytes(bits)) {
      block.fill(offset);
      const [rows, columns] = [Math.min(BLOCK_ROWS, d - row), Math.min(PANEL_COLUMNS, n - column)];
      for (let k = 0, from = row * n + column; k < rows; k++, from += n) {
        for (let c = 0; c < columns; c++) block[c * BLOCK_ROWS + k] = codes[from + c]! + offset;
      }
      packBlock(block, bits, out, at);
    }
  }
  return out;
}

/**
 * The rows from `begin` to `end` (exclusive) of packed codes [d, n], written row-major to the start
 * of `out`.
 */
export function unpackCodes(
  packed: Uint8Array,
  d: number,
  n: number,
  bits: number,
  begin: number,
  end: number,
  out: Int8Array,
): void {
  const offset = 2 ** (bits - 1);
  const blocks = Math.ceil(d / BLOCK_ROWS);
  const block = new Uint8Array(BLOCK_CODES);
  const first = Math.floor(begin / BLOCK_ROWS);
  for (let column = 0, panel = 0; column < n; column += PANEL_COLUMNS, panel += blocks) {
    const width = Math.min(PANEL_COLUMNS, n - column);
    for (let b = first; b * BLOCK_ROWS < end; b++) {
      unpackBlock(packed, (panel + b) * blockBytes(bits), bits, block);
      const row = b * BLOCK_ROWS;
      const to = Math.min(row + BLOCK_ROWS, end);
      for (let r = Math.max(row, begin); r < to; r++) {
        const at = (r - begin) * n + column;
        for (let c = 0; c < width; c++) out[at + c] = block[c * BLOCK_ROWS + r - row]! - offset;
      }
    }
  }
}

function blockBytes(bits: number): number {
  return (BLOCK_CODES / 8) * bits;
}

function packBlock(block: Uint8Array, bits: number, out: Uint8Array, at: number): void {
  let start = at;
  let shift = 0;
  for (let width = 8; width > 0; width >>= 1) {
    if ((bits & width) === 0) continue;
    const length = blockBytes(width);
    const mask = 2 ** width - 1;
    for (let i = 0, slot = 0; i < BLOCK_CODES; i += length, slot += width) {
      for (let j = 0; j < length; j++) {
        out[start + j] = out[start + j]! | (((block[i + j]! >> shift) & mask) << slot);
      }
    }
    start += length;
    shift += width;
  }
}

function unpackBlock(packed: Uint8Array, at: number, bits: number, block: Uint8Array): void {
  block.fill(0);
  let start = at;
  let shift = 0;
  for (let width = 8; width > 0; width >>= 1) {
    if ((bits & width) === 0) continue;
    const length = blockBytes(width);
    const mask = 2 ** width - 1;
    for (let i = 0, slot = 0; i < BLOCK_CODES; i += length, slot += width) {
      for (let j = 0; j < length; j++) {
        block[i + j] = block[i + j]! + (((packed[start + j]! >> slot) & mask) << shift);
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
