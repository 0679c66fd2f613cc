// Products of float32 activations with packed weights (or float32 ones): layers whose weights alone
// are quantized.
import { floatTile } from './floatTile';
import { clearAccumulators, copyFloats, high16, low16, sampleRows } from './gemmPanel';
import { storePanel } from './gemmStore';
import { madd } from './math';
import { MR, NR, placePanel, Product } from './records';

/**
 * Panels begin … end of out [tokens, n] = activation(x W + rows), a panel's weights as float32 in
 * scratch. `at`: a Product.
 */
export function gemmFloat(at: usize, scratch: usize, begin: i32, end: i32): void {
  const product = changetype<Product>(at);
  const panel = placePanel(scratch, product);
  const k = product.k;
  clearAccumulators(panel, product);
  for (let p = begin; p < end; p++) {
    for (let start = 0; start < k; start += product.chunkRows) {
      const rows = min(product.chunkRows, k - start);
      if (product.bits === 32) copyColumns(panel.weights, product, p, start, rows);
      else unpackFloats(panel.weights, product, p, start, rows);
      const x = product.rows + (<usize>start << 2);
      floatTiles(x, panel.weights, panel.accumulators, product.tokens, rows, k);
      if (product.residual !== 0) {
        const to = panel.accumulators + (<usize>product.tokenTiles << 7);
        const residual = product.residual + (<usize>start << 2);
        floatTiles(residual, panel.weights, to, product.samples, rows, k);
      }
    }
    sampleRows(panel, product, p * NR);
    storePanel(panel, product, p * NR);
  }
}

/** Columns of float32 weights [k, n] → [rows][8]. */
function copyColumns(to: usize, product: Product, p: i32, start: i32, rows: i32): void {
  const count = min(NR, product.n - p * NR);
  let from = product.codes + (<usize>(start * product.n + p * NR) << 2);
  for (let i = 0; i < rows; i++, to += 32, from += <usize>product.n << 2) {
    copyFloats(to, from, count);
  }
}

/** Codes → scale · q, f32 [rows][8]. `start` is a multiple of 4. */
function unpackFloats(start4: usize, product: Product, p: i32, start: i32, rows: i32): void {
  const bits = product.bits;
  const blockBytes = <usize>(bits << 2);
  const count = min(NR, product.n - p * NR);
  let from = product.codes + <usize>(p * ((product.k + 3) >> 2) + (start >> 2)) * blockBytes;
  const zero = i8x16.splat(<i8>(<i32>1 << (bits - 1)));
  let group = start / product.groupSize;
  let left = (group + 1) * product.groupSize - start;
  let scales = product.scale + (<usize>(group * product.n + p * NR) << 2);
  // the last rows of a panel past n would read beyond the scales
  const spare = start4 + (<usize>((rows + 3) & ~3) << 5);
  copyFloats(spare, scales, count);
  let to = start4;
  for (let row = 0; row < rows; row += 4, from += blockBytes) {
    const u = i8x16.sub(low16(from, bits), zero);
    const v = i8x16.sub(high16(from, bits), zero);
    // by row: columns 0–3 of rows 0 … 3
    const a = v128.shuffle<i8>(u, u, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const b = v128.shuffle<i8>(v, v, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const a01 = i16x8.extend_low_i8x16_s(a);
    const b01 = i16x8.extend_low_i8x16_s(b);
    const a23 = i16x8.extend_high_i8x16_s(a);
    const b23 = i16x8.extend_high_i8x16_s(b);
    for (let r = 0; r < 4 && row + r < rows; r++, to += 32) {
      if (left === 0) {
        group++;
        left = product.groupSize;
        scales += <usize>product.n << 2;
        copyFloats(spare, scales, count);
      }
      left--;
      const aa = r < 2 ? a01 : a23;
      const bb = r < 2 ? b01 : b23;
      const low = r & 1 ? i32x4.extend_high_i16x8_s(aa) : i32x4.extend_low_i16x8_s(aa);
      const high = r & 1 ? i32x4.extend_high_i16x8_s(bb) : i32x4.extend_low_i16x8_s(bb);
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(low), v128.load(spare)));
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(high), v128.load(spare, 16)), 16);
    }
  }
}

// @ts-ignore: decorator
@inline
function floatTiles(x: usize, b: usize, to: usize, rows: i32, k: i32, stride: i32): void {
  let i = 0;
  const strideBytes = <usize>stride << 2;
  for (; i + MR <= rows; i += MR, to += 128, x += strideBytes * MR) {
    const x1 = x + strideBytes, x2 = x1 + strideBytes, x3 = x2 + strideBytes;
    floatTile(x, x1, x2, x3, <usize>k << 2, b, 32, to);
  }
  for (; i < rows; i++, to += 32, x += strideBytes) floatRow(x, b, to, k);
}

/** One row; four sums of every column, for one would wait on the latency of its additions. */
// @ts-ignore: decorator
@inline
function floatRow(x: usize, weights: usize, to: usize, k: i32): void {
  let b = weights;
  let c0 = v128.load(to), c1 = v128.load(to, 16);
  let d0 = f32x4.splat(0), d1 = d0, e0 = d0, e1 = d0, f0 = d0, f1 = d0;
  let i = 0;
  for (; i + 4 <= k; i += 4, x += 16, b += 128) {
    let t = v128.load32_splat(x);
    c0 = madd(t, v128.load(b), c0);
    c1 = madd(t, v128.load(b, 16), c1);
    t = v128.load32_splat(x, 4);
    d0 = madd(t, v128.load(b, 32), d0);
    d1 = madd(t, v128.load(b, 48), d1);
    t = v128.load32_splat(x, 8);
    e0 = madd(t, v128.load(b, 64), e0);
    e1 = madd(t, v128.load(b, 80), e1);
    t = v128.load32_splat(x, 12);
    f0 = madd(t, v128.load(b, 96), f0);
    f1 = madd(t, v128.load(b, 112), f1);
  }
  for (; i < k; i++, x += 4, b += 32) {
    const t = v128.load32_splat(x);
    c0 = madd(t, v128.load(b), c0);
    c1 = madd(t, v128.load(b, 16), c1);
  }
  v128.store(to, f32x4.add(f32x4.add(c0, d0), f32x4.add(e0, f0)));
  v128.store(to, f32x4.add(f32x4.add(c1, d1), f32x4.add(e1, f1)), 16);
}
