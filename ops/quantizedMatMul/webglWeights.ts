import type { TensorInfo } from '@tensorflow/tfjs-core';
import { dataNumber } from '../common/dataNumber.js';
import { fitsIn, type GroupedFormat } from '../numerics/formats.js';
import { unpackCodes } from '../numerics/packing.js';
import { attached } from '../webgl/attached.js';
import type { WebglBackend } from '../webgl/backend.js';
import { uploadTexels } from '../webgl/bytes.js';
import { byteOffset, type TexelGrid, texelGrid } from '../webgl/texelGrid.js';
import {
  groupSizeOf,
  type ProductFormat,
  type QuantizedMatMulAttrs,
  quantizedMatMulContract,
} from './contract.js';

/** Rows of W that a texel holds. */
export const BLOCK = 4;
/** Texels before the codes of a segment: the sums of two columns' codes, then their scales. */
export const HEADER = 3;
/** In the sums' bytes 2^15 stands for 0. */
export const SUM_OFFSET = 2 ** 15;
/**
 * Rows of a segment at most, so that products of 8-bit codes add up exactly in float32 (whole
 * numbers below 2^24), and sums of codes take 2 bytes. At 4 bits and fewer so few that x may be a
 * byte / 255 as texels are: of the sum of 64 products up to 8 some 23 roundings leave 255 · 64 · 8
 * · 23 · 2^−24 = 0.18 at most, which rounding the sum takes away.
 */
function mostRows(format: GroupedFormat): number {
  return fitsIn(format, 4) ? 64 : 256;
}

/**
 * The rows of W in segments of one length (the last may be shorter), each within one group of W and
 * one of x, and each padded to blocks of 4 rows.
 */
export interface Segments {
  readonly count: number;
  readonly rows: number;
  readonly blocks: number;
}

/** Attributes of a product by packed weights, and how these are cut for x as it comes. */
export interface PackedAttrs extends QuantizedMatMulAttrs {
  readonly format: GroupedFormat;
  readonly segments: Segments;
}

/** The same for weights that are packed. */
export function withSegments(attrs: QuantizedMatMulAttrs, format: GroupedFormat): PackedAttrs {
  return { ...attrs, format, segments: segmentsOf(format, attrs.xFormat, attrs.d) };
}

/** The longest segments that both group sizes allow. */
export function segmentsOf(format: GroupedFormat, xFormat: ProductFormat, d: number): Segments {
  const sizes = [format, xFormat].map((side) => groupSizeOf(side, d)).filter((size) => size < d);
  const common = sizes.reduce(greatestDivisor, 0);
  const max = mostRows(format);
  const rows = common === 0 ? evenRows(d, max) : divisorUpTo(common, max);
  return { count: Math.ceil(d / rows), rows, blocks: Math.ceil(rows / BLOCK) };
}

/** Where there is one group: whole blocks, nearly as many in the last segment as in the others. */
function evenRows(d: number, max: number): number {
  const count = Math.ceil(d / max);
  return BLOCK * Math.ceil(d / (BLOCK * count));
}

function greatestDivisor(a: number, b: number): number {
  return a === 0 ? b : greatestDivisor(b % a, a);
}

/** The largest divisor, of those that fill their blocks where there are any. */
function divisorUpTo(size: number, max: number): number {
  const divisors = Array.from({ length: Math.min(size, max) }, (_, i) => i + 1).filter(
    (divisor) => size % divisor === 0,
  );
  return divisors.findLast((divisor) => divisor % BLOCK === 0) ?? divisors[divisors.length - 1]!;
}

/** Texels that hold 4 rows of 2 columns: one where two codes go into a byte. */
export function texelsPerBlock(format: GroupedFormat): 1 | 2 {
  return fitsIn(format, 4) ? 1 : 2;
}

/** Where the weights lie: an item is a pair of columns. */
export function weightsGrid(attrs: PackedAttrs, maxSize: number): TexelGrid {
  const { d, n, format, segments } = attrs;
  const { count, blocks } = segments;
  const texels = HEADER + blocks * texelsPerBlock(format);
  const what = `weights [${d}, ${n}]`;
  return texelGrid(
    quantizedMatMulContract.kernelName,
    what,
    [Math.ceil(n / 2), count, texels],
    maxSize,
  );
}

/**
 * The weights as an RGBA8 texture, made at the first use and disposed of together with the codes.
 * All of it are bytes, which every device keeps and reads exactly, the scales' float32 bits among
 * them. A segment of a pair of columns has
 *
 * - 1 texel: sums of the codes q of both columns, 2 bytes each, the low one first, with 2^15 added;
 * - 2 texels: the scale of either column, the 4 bytes of a float32, the low one first;
 * - codes: at 4 bits and fewer a texel for 4 rows: byte i has row i, the first column's q + 8 in
 *   its low half, the second one's in its high half; above, a texel for 4 rows of the first column,
 *   then one for the second, bytes q + 128.
 */
export function weightsTexture(
  backend: WebglBackend,
  codes: TensorInfo,
  scale: TensorInfo,
  attrs: PackedAttrs,
  grid: TexelGrid,
): TensorInfo {
  const { d, n, format, segments } = attrs;
  const { bits, granularity } = format;
  // x in groups of another size may want other segments
  const cut = [granularity.groupSize, segments.rows];
  const key = [d, n, bits, ...cut, grid.width, dataNumber(scale)].join();
  return attached(backend, codes, key, () => {
    const bytes = backend.readSync(codes.dataId);
    const scales = backend.readSync(scale.dataId);
    const packed = bytes instanceof Uint8Array ? bytes : Uint8Array.from(bytes);
    return uploadTexels(
      backend,
      grid.width,
      grid.height,
      weightBytes(packed, Float32Array.from(scales), attrs, grid),
    );
  });
}

/** The bytes of the texture, from codes as files have them. */
export function weightBytes(
  packed: Uint8Array,
  scales: Float32Array,
  attrs: PackedAttrs,
  grid: TexelGrid,
): Uint8Array {
  const { d, n, format, segments } = attrs;
  const { bits, granularity } = format;
  const { count, rows } = segments;
  const out = new Uint8Array(4 * grid.width * grid.height);
  const codes = new Int8Array(rows * n);
  const scaleBytes = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
  for (let segment = 0; segment < count; segment++) {
    const begin = segment * rows;
    const end = Math.min(begin + rows, d);
    unpackCodes(packed, d, n, bits, begin, end, codes);
    const group = Math.floor(begin / granularity.groupSize) * n;
    for (let column = 0; column < n; column += 2) {
      const at = byteOffset(grid, column / 2, segment);
      writeSegment(codes, end - begin, n, column, format, out, at);
      for (let i = 0; i < 2 && column + i < n; i++) {
        const from = 4 * (group + column + i);
        out.set(scaleBytes.subarray(from, from + 4), at + 4 + 4 * i);
      }
    }
  }
  return out;
}

/**
 * Sums and codes of columns `column` and `column + 1`; rows and columns that there are not have
 * codes of 0.
 */
function writeSegment(
  codes: Int8Array,
  rows: number,
  n: number,
  column: number,
  format: GroupedFormat,
  out: Uint8Array,
  at: number,
): void {
  const second = column + 1 < n ? 1 : 0;
  const sums = [SUM_OFFSET, SUM_OFFSET];
  const start = at + 4 * HEADER;
  for (let k = 0, from = column; k < Math.ceil(rows / BLOCK) * BLOCK; k++, from += n) {
    const a = k < rows ? codes[from]! : 0;
    const b = k < rows ? second * codes[from + second]! : 0;
    sums[0]! += a;
    sums[1]! += b;
    if (texelsPerBlock(format) === 1) {
      out[start + k] = a + 8 + 16 * (b + 8);
    } else {
      const to = start + 2 * k - (k % BLOCK);
      out[to] = a + 128;
      out[to + BLOCK] = b + 128;
    }
  }
  sums.forEach((sum, i) => {
    out[at + 2 * i] = sum & 255;
    out[at + 2 * i + 1] = sum >> 8;
  });
}
