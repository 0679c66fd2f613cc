// The integer product on plain SIMD128: codes widened to 16 bits, i32x4.dot_i16x8_s (8
// multiply-adds an instruction).
import {
  clearAccumulators, flushTile, high16, loadScales, low16, ofSegment, ofTile, real, sampleRows,
} from './gemmPanel';
import { storePanel } from './gemmStore';
import { NR, packedTileBytes, Panel, placePanel, Product, Segment, SEGMENT_BYTES } from './records';

/**
 * Panels begin … end of out [tokens, n] = activation(scale · (codes − zeroPoint) W + rows). `at`: a
 * Product.
 */
export function gemm16(at: usize, scratch: usize, begin: i32, end: i32): void {
  const product = changetype<Product>(at);
  const panel = placePanel(scratch, product);
  const panelBytes = <usize>((product.k + 3) >> 2) * <usize>(product.bits << 2);
  clearAccumulators(panel, product);
  for (let p = begin; p < end; p++) {
    const codes = product.codes + <usize>p * panelBytes;
    loadScales(panel, product, p * NR);
    for (let c = 0; c < product.chunkCount; c++) {
      const first = i32.load(product.chunkSegments + (<usize>c << 2));
      const last = i32.load(product.chunkSegments + (<usize>c << 2), 4);
      unpack16(panel.weights, codes, product, first, last);
      tiles16(panel, product, first, last);
    }
    sampleRows(panel, product, p * NR);
    storePanel(panel, product, p * NR);
  }
}

/** Codes of a chunk → i16 [k/2][8][2]. */
function unpack16(to: usize, codes: usize, product: Product, first: i32, last: i32): void {
  const bits = product.bits;
  const start = changetype<Segment>(product.segments + <usize>first * SEGMENT_BYTES).start;
  const tail = changetype<Segment>(product.segments + <usize>(last - 1) * SEGMENT_BYTES);
  const blockBytes = <usize>(bits << 2);
  const zero = i8x16.splat(<i8>(<i32>1 << (bits - 1)));
  let from = codes + <usize>(start >> 2) * blockBytes;
  const end = to + (<usize>(tail.start + (tail.steps << 2) - start) << 4);
  for (; to < end; to += 64, from += blockBytes) {
    const a = i8x16.sub(low16(from, bits), zero);
    const b = i8x16.sub(high16(from, bits), zero);
    // columns × rows 0, 1 in the lower half, rows 2, 3 in the upper
    const ap = v128.shuffle<i8>(a, a, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const bp = v128.shuffle<i8>(b, b, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    v128.store(to, i16x8.extend_low_i8x16_s(ap));
    v128.store(to, i16x8.extend_low_i8x16_s(bp), 16);
    v128.store(to, i16x8.extend_high_i8x16_s(ap), 32);
    v128.store(to, i16x8.extend_high_i8x16_s(bp), 48);
  }
}

function tiles16(panel: Panel, product: Product, first: i32, last: i32): void {
  const tiles = product.tokenTiles + product.residualTiles;
  const tileBytes = packedTileBytes(product.k, 2);
  const begin = product.segments + <usize>first * SEGMENT_BYTES;
  const end = product.segments + <usize>last * SEGMENT_BYTES;
  const start = <usize>changetype<Segment>(begin).start << 3;
  const scales = panel.scales + (<usize>first << 5);
  for (let tile = 0; tile < tiles; tile++) {
    const rows = product.rows + <usize>tile * tileBytes + start;
    const to = panel.accumulators + (<usize>tile << 7);
    tile16(rows, panel.weights, begin, end, scales, ofTile(product.groupScale, product, tile), to);
  }
}

/** 4 rows × 8 columns; not unrolled along k: V8 would spill the accumulators. */
function tile16(
  a: usize, b: usize, segment: usize, last: usize, scales: usize, rowScales: usize, to: usize,
): void {
  do {
    let c00 = i32x4.splat(0), c01 = c00, c10 = c00, c11 = c00;
    let c20 = c00, c21 = c00, c30 = c00, c31 = c00;
    const end = a + (<usize>changetype<Segment>(segment).steps << 5);
    do {
      const x = v128.load(b);
      const y = v128.load(b, 16);
      let t = v128.load32_splat(a);
      c00 = i32x4.add(c00, i32x4.dot_i16x8_s(t, x));
      c01 = i32x4.add(c01, i32x4.dot_i16x8_s(t, y));
      t = v128.load32_splat(a, 4);
      c10 = i32x4.add(c10, i32x4.dot_i16x8_s(t, x));
      c11 = i32x4.add(c11, i32x4.dot_i16x8_s(t, y));
      t = v128.load32_splat(a, 8);
      c20 = i32x4.add(c20, i32x4.dot_i16x8_s(t, x));
      c21 = i32x4.add(c21, i32x4.dot_i16x8_s(t, y));
      t = v128.load32_splat(a, 12);
      c30 = i32x4.add(c30, i32x4.dot_i16x8_s(t, x));
      c31 = i32x4.add(c31, i32x4.dot_i16x8_s(t, y));
      a += 16;
      b += 32;
    } while (a < end);
    flushTile(
      to, scales, ofSegment(rowScales, segment),
      real(c00), real(c01), real(c10), real(c11), real(c20), real(c21), real(c30), real(c31),
    );
    scales += 32;
    segment += SEGMENT_BYTES;
  } while (segment < last);
}
