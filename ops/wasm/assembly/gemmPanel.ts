// What the integer kernels have in common around their tiles: a panel's weights unpacked, the rows
// of the samples, what a tile adds to the accumulators.
import { DIGITS, NR, Panel, Product, Segment, SEGMENT_BYTES } from './records';

/**
 * Codes u of a block of 8 columns and 4 rows, 16 a vector: columns 0–3, then 4–7, four rows each.
 * Planes: ops/numerics/packing.ts.
 */
@inline
export function low16(at: usize, bits: i32): v128 {
  if (bits === 8) return v128.load(at);
  if (bits === 4) return v128.and(v128.load(at), i8x16.splat(15));
  return unpackPlanes(at, bits, 0);
}

@inline
export function high16(at: usize, bits: i32): v128 {
  if (bits === 8) return v128.load(at, 16);
  if (bits === 4) return nibbleHigh(v128.load(at));
  return unpackPlanes(at, bits, 1);
}

@inline
function nibbleHigh(v: v128): v128 {
  return v128.and(i16x8.shr_u(v, 4), i8x16.splat(15));
}

function unpackPlanes(start: usize, bits: i32, half: i32): v128 {
  let at = start;
  let shift = 0;
  let codes = i8x16.splat(0);
  if (bits & 4) {
    const v = v128.load(at);
    codes = half === 0 ? v128.and(v, i8x16.splat(15)) : nibbleHigh(v);
    shift = 4;
    at += 16;
  }
  if (bits & 2) {
    // byte j has the codes j, j + 8, j + 16, j + 24
    const v = v128.load64_splat(at);
    const down = half << 2;
    const first = v128.and(i16x8.shr_u(v, down), i8x16.splat(3));
    const second = v128.and(i16x8.shr_u(v, down + 2), i8x16.splat(3));
    const both = v128.shuffle<i64>(first, second, 0, 2);
    codes = v128.or(codes, i16x8.shl(both, shift));
    shift += 2;
    at += 8;
  }
  if (bits & 1) {
    // byte j has the codes j, j + 4, … in its bits
    const v = v128.load32_splat(at);
    const down = half << 2;
    const one = i8x16.splat(1);
    const a = v128.and(i16x8.shr_u(v, down), one);
    const b = v128.and(i16x8.shr_u(v, down + 1), one);
    const c = v128.and(i16x8.shr_u(v, down + 2), one);
    const d = v128.and(i16x8.shr_u(v, down + 3), one);
    const ab = v128.shuffle<i32>(a, b, 0, 4, 0, 4);
    const cd = v128.shuffle<i32>(c, d, 0, 4, 0, 4);
    codes = v128.or(codes, i16x8.shl(v128.shuffle<i64>(ab, cd, 0, 2), shift));
  }
  return codes;
}

/** The scales of a panel by segment, 0 for columns past the last one. */
export function loadScales(panel: Panel, product: Product, column: i32): void {
  const count = min(NR, product.n - column);
  let to = panel.scales;
  for (let i = 0; i < product.segmentCount; i++, to += 32) {
    const segment = changetype<Segment>(product.segments + <usize>i * SEGMENT_BYTES);
    const from = product.scale + (<usize>(segment.weightGroup * product.n + column) << 2);
    copyFloats(to, from, count);
  }
}

/** Empty accumulators; who reads them leaves them so for the next panel. */
export function clearAccumulators(panel: Panel, product: Product): void {
  const tiles = <usize>(product.tokenTiles + product.residualTiles);
  memory.fill(panel.accumulators, 0, tiles << 7);
}

/** Eight floats, of which `count` are there and the others 0. */
export function copyFloats(to: usize, from: usize, count: i32): void {
  if (count === NR) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    return;
  }
  for (let i = 0; i < NR; i++) {
    f32.store(to + (<usize>i << 2), i < count ? f32.load(from + (<usize>i << 2)) : 0);
  }
}

/** A row per sample: (residual · W) from its three digits, coefficients · basis, bias. */
export function sampleRows(panel: Panel, product: Product, column: i32): void {
  const count = min(NR, product.n - column);
  const digits = panel.accumulators + (<usize>product.tokenTiles << 7);
  for (let s = 0; s < product.samples; s++) {
    const row = panel.rows + (<usize>s << 5);
    if (product.bias !== 0) copyFloats(row, product.bias + (<usize>column << 2), count);
    else memory.fill(row, 0, 32);
    for (let half: usize = 0; half < 32; half += 16) {
      let sum = v128.load(row + half);
      if (product.residualScale !== 0) {
        const at = digits + <usize>(DIGITS * s) * 32 + half;
        let residual = f32x4.mul(v128.load(at), f32x4.splat(65536));
        residual = f32x4.add(residual, f32x4.mul(v128.load(at, 32), f32x4.splat(256)));
        residual = f32x4.add(residual, v128.load(at, 64));
        const scale = v128.load32_splat(product.residualScale + (<usize>s << 2));
        sum = f32x4.add(sum, f32x4.mul(residual, scale));
      } else if (product.residual !== 0) {
        sum = f32x4.add(sum, v128.load(digits + (<usize>s << 5) + half));
      }
      v128.store(row + half, sum);
    }
    addBasis(row, product, s, column, count);
  }
  // for the next panel
  memory.fill(digits, 0, <usize>product.residualTiles << 7);
}

function addBasis(row: usize, product: Product, sample: i32, column: i32, count: i32): void {
  for (let r = 0; r < product.rank; r++) {
    const from = product.basis + (<usize>(r * product.n + column) << 2);
    const at = product.coefficients + (<usize>(sample * product.rank + r) << 2);
    if (count === NR) {
      const c = v128.load32_splat(at);
      v128.store(row, f32x4.add(v128.load(row), f32x4.mul(c, v128.load(from))));
      v128.store(row, f32x4.add(v128.load(row, 16), f32x4.mul(c, v128.load(from, 16))), 16);
    } else {
      for (let i: usize = 0; i < <usize>count; i++) {
        const sum = f32.load(row + (i << 2)) + f32.load(at) * f32.load(from + (i << 2));
        f32.store(row + (i << 2), sum);
      }
    }
  }
}

/** One vector of a tile's segment: accumulators += scale · sums. */
@inline
export function flush(at: usize, sums: v128, scale: v128): void {
  v128.store(at, f32x4.add(v128.load(at), f32x4.mul(sums, scale)));
}

/** A tile's segment, its sums as floats: accumulators += scales · sums (· the rows' scales). */
@inline
export function flushTile(
  to: usize, scales: usize, rowScales: usize,
  c00: v128, c01: v128, c10: v128, c11: v128, c20: v128, c21: v128, c30: v128, c31: v128,
): void {
  const x = v128.load(scales);
  const y = v128.load(scales, 16);
  if (rowScales === 0) {
    flush(to, c00, x);
    flush(to + 16, c01, y);
    flush(to + 32, c10, x);
    flush(to + 48, c11, y);
    flush(to + 64, c20, x);
    flush(to + 80, c21, y);
    flush(to + 96, c30, x);
    flush(to + 112, c31, y);
    return;
  }
  let r = v128.load32_splat(rowScales);
  flush(to, c00, f32x4.mul(x, r));
  flush(to + 16, c01, f32x4.mul(y, r));
  r = v128.load32_splat(rowScales, 4);
  flush(to + 32, c10, f32x4.mul(x, r));
  flush(to + 48, c11, f32x4.mul(y, r));
  r = v128.load32_splat(rowScales, 8);
  flush(to + 64, c20, f32x4.mul(x, r));
  flush(to + 80, c21, f32x4.mul(y, r));
  r = v128.load32_splat(rowScales, 12);
  flush(to + 96, c30, f32x4.mul(x, r));
  flush(to + 112, c31, f32x4.mul(y, r));
}

/** Integer sums as floats. */
@inline
export function real(sums: v128): v128 {
  return f32x4.convert_i32x4_s(sums);
}

/** Of an array [tiles][activation groups][4] that may be 0: a tile's part. */
@inline
export function ofTile(array: usize, product: Product, tile: i32): usize {
  return array === 0 ? 0 : array + (<usize>(tile * product.activationGroups) << 4);
}

/** Of that a segment's, or 0. */
@inline
export function ofSegment(part: usize, segment: usize): usize {
  return part === 0 ? 0 : part + (<usize>changetype<Segment>(segment).activationGroup << 4);
}
