// The integer product with relaxed SIMD: bytes of activations by codes below 128 (16 multiply-adds
// an instruction). Weights go in as unsigned codes u = q + 2^(b−1), the accumulators start at
// −2^(b−1) Σ activations of the segment; or as q (8 bits where the machine's dot product is
// signed), from 0.
import {
  clearAccumulators, flushTile, high16, loadScales, low16, ofSegment, ofTile, real, sampleRows,
} from './gemmPanel';
import { storePanel } from './gemmStore';
import { NR, packedTileBytes, Panel, placePanel, Product, Segment, SEGMENT_BYTES } from './records';

/**
 * As gemm16, with pairs summed in 16 bits and widened every `flushSteps`: two instructions per 16
 * products on x86 without VNNI.
 */
export function gemmRelaxed16(at: usize, scratch: usize, begin: i32, end: i32): void {
  panels(at, scratch, begin, end, true);
}

/**
 * As gemm16, summed in 32 bits: one instruction per 16 products on ARM and on x86 with AVX-VNNI,
 * three elsewhere.
 */
export function gemmRelaxed32(at: usize, scratch: usize, begin: i32, end: i32): void {
  panels(at, scratch, begin, end, false);
}

@inline
function panels(at: usize, scratch: usize, begin: i32, end: i32, pairs: bool): void {
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
      unpack8(panel, codes, product, first, last);
      tilesOf(panel, product, first, last, pairs);
    }
    sampleRows(panel, product, p * NR);
    storePanel(panel, product, p * NR);
  }
}

/**
 * Codes of a chunk → u8 [k/4][8][4]; and by segment Σ q down the columns, where the activations
 * have shifts.
 */
function unpack8(panel: Panel, codes: usize, product: Product, first: i32, last: i32): void {
  const bits = product.bits;
  const blockBytes = <usize>(bits << 2);
  let to = panel.weights;
  const sums = product.groupShift !== 0;
  const flip = i8x16.splat(<i8>product.flip);
  for (let s = first; s < last; s++) {
    const segment = changetype<Segment>(product.segments + <usize>s * SEGMENT_BYTES);
    let from = codes + <usize>(segment.start >> 2) * blockBytes;
    const end = to + (<usize>segment.steps << 5);
    let low = i32x4.splat(-(segment.steps << (bits + 1)));
    let high = low;
    for (; to < end; to += 32, from += blockBytes) {
      const a = low16(from, bits);
      const b = high16(from, bits);
      v128.store(to, v128.xor(a, flip));
      v128.store(to, v128.xor(b, flip), 16);
      if (sums) {
        low = i32x4.add(low, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(a)));
        high = i32x4.add(high, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(b)));
      }
    }
    if (sums) {
      const padding = (segment.start + (segment.steps << 2)) - product.k;
      const last = from - blockBytes;
      const at = panel.sums + (<usize>s << 5);
      v128.store(at, real(i32x4.sub(low, paddingOf(low16(last, bits), padding, bits))));
      v128.store(at, real(i32x4.sub(high, paddingOf(high16(last, bits), padding, bits))), 16);
    }
  }
}

/** Σ q of the last `padding` rows of a block: a file may hold anything there. */
@inline
function paddingOf(block: v128, padding: i32, bits: i32): v128 {
  if (padding <= 0) return i32x4.splat(0);
  const codes = v128.and(block, i32x4.splat(-1 << ((4 - padding) << 3)));
  const sum = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(codes));
  return i32x4.sub(sum, i32x4.splat(padding << (bits - 1)));
}

@inline
function tilesOf(panel: Panel, product: Product, first: i32, last: i32, pairs: bool): void {
  const tiles = product.tokenTiles + product.residualTiles;
  const tileBytes = packedTileBytes(product.k, 1);
  const begin = product.segments + <usize>first * SEGMENT_BYTES;
  const end = product.segments + <usize>last * SEGMENT_BYTES;
  const start = <usize>changetype<Segment>(begin).start << 2;
  const run = <usize>product.flushSteps << 4;
  for (let tile = 0; tile < tiles; tile++) {
    const a = product.rows + <usize>tile * tileBytes + start;
    const to = panel.accumulators + (<usize>tile << 7);
    const offsets = product.offsets + (<usize>(tile * product.segmentCount + first) << 4);
    const scales = ofTile(product.groupScale, product, tile);
    const shifts = ofTile(product.groupShift, product, tile);
    if (pairs) tilePairs(a, panel, begin, end, run, offsets, scales, shifts, to, first);
    else tileDot(a, panel, begin, end, offsets, scales, shifts, to, first);
  }
}

/** 4 rows × 8 columns. */
function tilePairs(
  a: usize, panel: Panel, segment: usize, last: usize, run: usize, offsets: usize,
  rowScales: usize, shifts: usize, to: usize, first: i32,
): void {
  const ones = i16x8.splat(1);
  let b = panel.weights;
  let scales = panel.scales + (<usize>first << 5);
  let sums = panel.sums + (<usize>first << 5);
  do {
    const end = a + (<usize>changetype<Segment>(segment).steps << 4);
    let d00 = v128.load32_splat(offsets), d01 = d00;
    let d10 = v128.load32_splat(offsets, 4), d11 = d10;
    let d20 = v128.load32_splat(offsets, 8), d21 = d20;
    let d30 = v128.load32_splat(offsets, 12), d31 = d30;
    do {
      const stop = min(a + run, end);
      let c00 = i16x8.splat(0), c01 = c00, c10 = c00, c11 = c00;
      let c20 = c00, c21 = c00, c30 = c00, c31 = c00;
      do {
        const x = v128.load(b);
        const y = v128.load(b, 16);
        let t = v128.load32_splat(a);
        c00 = i16x8.add(c00, i16x8.relaxed_dot_i8x16_i7x16_s(t, x));
        c01 = i16x8.add(c01, i16x8.relaxed_dot_i8x16_i7x16_s(t, y));
        t = v128.load32_splat(a, 4);
        c10 = i16x8.add(c10, i16x8.relaxed_dot_i8x16_i7x16_s(t, x));
        c11 = i16x8.add(c11, i16x8.relaxed_dot_i8x16_i7x16_s(t, y));
        t = v128.load32_splat(a, 8);
        c20 = i16x8.add(c20, i16x8.relaxed_dot_i8x16_i7x16_s(t, x));
        c21 = i16x8.add(c21, i16x8.relaxed_dot_i8x16_i7x16_s(t, y));
        t = v128.load32_splat(a, 12);
        c30 = i16x8.add(c30, i16x8.relaxed_dot_i8x16_i7x16_s(t, x));
        c31 = i16x8.add(c31, i16x8.relaxed_dot_i8x16_i7x16_s(t, y));
        a += 16;
        b += 32;
      } while (a < stop);
      d00 = i32x4.add(d00, i32x4.dot_i16x8_s(c00, ones));
      d01 = i32x4.add(d01, i32x4.dot_i16x8_s(c01, ones));
      d10 = i32x4.add(d10, i32x4.dot_i16x8_s(c10, ones));
      d11 = i32x4.add(d11, i32x4.dot_i16x8_s(c11, ones));
      d20 = i32x4.add(d20, i32x4.dot_i16x8_s(c20, ones));
      d21 = i32x4.add(d21, i32x4.dot_i16x8_s(c21, ones));
      d30 = i32x4.add(d30, i32x4.dot_i16x8_s(c30, ones));
      d31 = i32x4.add(d31, i32x4.dot_i16x8_s(c31, ones));
    } while (a < end);
    const rows = ofSegment(rowScales, segment);
    const shift = ofSegment(shifts, segment);
    shiftAndFlush(to, scales, rows, sums, shift, d00, d01, d10, d11, d20, d21, d30, d31);
    offsets += 16;
    scales += 32;
    sums += 32;
    segment += SEGMENT_BYTES;
  } while (segment < last);
}

function tileDot(
  a: usize, panel: Panel, segment: usize, last: usize, offsets: usize, rowScales: usize,
  shifts: usize, to: usize, first: i32,
): void {
  let b = panel.weights;
  let scales = panel.scales + (<usize>first << 5);
  let sums = panel.sums + (<usize>first << 5);
  do {
    const end = a + (<usize>changetype<Segment>(segment).steps << 4);
    let c00 = v128.load32_splat(offsets), c01 = c00;
    let c10 = v128.load32_splat(offsets, 4), c11 = c10;
    let c20 = v128.load32_splat(offsets, 8), c21 = c20;
    let c30 = v128.load32_splat(offsets, 12), c31 = c30;
    do {
      const x = v128.load(b);
      const y = v128.load(b, 16);
      let t = v128.load32_splat(a);
      c00 = i32x4.relaxed_dot_i8x16_i7x16_add_s(t, x, c00);
      c01 = i32x4.relaxed_dot_i8x16_i7x16_add_s(t, y, c01);
      t = v128.load32_splat(a, 4);
      c10 = i32x4.relaxed_dot_i8x16_i7x16_add_s(t, x, c10);
      c11 = i32x4.relaxed_dot_i8x16_i7x16_add_s(t, y, c11);
      t = v128.load32_splat(a, 8);
      c20 = i32x4.relaxed_dot_i8x16_i7x16_add_s(t, x, c20);
      c21 = i32x4.relaxed_dot_i8x16_i7x16_add_s(t, y, c21);
      t = v128.load32_splat(a, 12);
      c30 = i32x4.relaxed_dot_i8x16_i7x16_add_s(t, x, c30);
      c31 = i32x4.relaxed_dot_i8x16_i7x16_add_s(t, y, c31);
      a += 16;
      b += 32;
    } while (a < end);
    const rows = ofSegment(rowScales, segment);
    const shift = ofSegment(shifts, segment);
    shiftAndFlush(to, scales, rows, sums, shift, c00, c01, c10, c11, c20, c21, c30, c31);
    offsets += 16;
    scales += 32;
    sums += 32;
    segment += SEGMENT_BYTES;
  } while (segment < last);
}

/** Less shift · Σ q; integers below 2^24 all of them, so floats are exact. */
@inline
function less(sum: v128, shift: v128, columns: v128): v128 {
  return f32x4.relaxed_nmadd(shift, columns, real(sum));
}

@inline
function shiftAndFlush(
  to: usize, scales: usize, rows: usize, sums: usize, shifts: usize,
  c00: v128, c01: v128, c10: v128, c11: v128, c20: v128, c21: v128, c30: v128, c31: v128,
): void {
  if (shifts === 0) {
    flushTile(
      to, scales, rows,
      real(c00), real(c01), real(c10), real(c11), real(c20), real(c21), real(c30), real(c31),
    );
    return;
  }
  const x = v128.load(sums);
  const y = v128.load(sums, 16);
  const p = v128.load32_splat(shifts);
  const q = v128.load32_splat(shifts, 4);
  const r = v128.load32_splat(shifts, 8);
  const s = v128.load32_splat(shifts, 12);
  flushTile(
    to, scales, rows,
    less(c00, p, x), less(c01, p, y), less(c10, q, x), less(c11, q, y),
    less(c20, r, x), less(c21, r, y), less(c30, s, x), less(c31, s, y),
  );
}
