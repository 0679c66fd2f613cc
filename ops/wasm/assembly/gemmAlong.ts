// What goes along directions, in a product's epilogue.
import { copyFloats } from './gemmPanel';
import { madd } from './math';
import { MR, NR, Panel, Product } from './records';

/**
 * Tiles = scale · accumulators + the sample's row + along R: where `direct` to the results, but for
 * a tile that is not full, else in their place. Gives the tokens whose results are stored.
 */
export function finishTiles(panel: Panel, product: Product, column: i32, direct: bool): i32 {
  loadDirections(panel, product, column);
  const full = product.tokens / MR;
  const bytes = <usize>product.n << 2;
  const alongBytes = <usize>product.alongRank << 4;
  let along = product.along;
  for (let tile = 0; tile < product.tokenTiles; tile++, along += alongBytes) {
    const at = panel.accumulators + (<usize>tile << 7);
    if (direct && tile < full) {
      const out = product.out + <usize>(tile * MR) * bytes + (<usize>column << 2);
      finishTile(panel, product, tile, at, along, along + alongBytes, out, bytes);
    } else {
      finishTile(panel, product, tile, at, along, along + alongBytes, at, NR << 2);
    }
  }
  return direct ? full * MR : 0;
}

/** R of a panel as floats; rows of the same directions are added up. */
function loadDirections(panel: Panel, product: Product, column: i32): void {
  const count = min(NR, product.n - column);
  const stride = <usize>product.n << 2;
  const rank = product.alongRank;
  const scale = product.directionScale;
  let from = product.directions + (<usize>column << 2);
  let to = panel.directions;
  for (let i = 0; i < product.directionRows; i++, from += stride, to += 32) {
    if (i === rank) to = panel.directions;
    const row = count === NR ? from : panel.direction;
    if (count < NR) copyFloats(row, from, count);
    let a = v128.load(row);
    let b = v128.load(row, 16);
    if (scale !== 0) {
      const s = v128.load32_splat(scale + (<usize>i << 2));
      a = f32x4.mul(a, s);
      b = f32x4.mul(b, s);
    }
    if (i >= rank) {
      a = f32x4.add(a, v128.load(to));
      b = f32x4.add(b, v128.load(to, 16));
    }
    v128.store(to, a);
    v128.store(to, b, 16);
  }
}

// @ts-ignore: decorator
@inline
function clearTile(at: usize): void {
  const zero = i32x4.splat(0);
  v128.store(at, zero);
  v128.store(at, zero, 16);
  v128.store(at, zero, 32);
  v128.store(at, zero, 48);
  v128.store(at, zero, 64);
  v128.store(at, zero, 80);
  v128.store(at, zero, 96);
  v128.store(at, zero, 112);
}

/** 4 tokens × 8 columns, to rows `stride` bytes apart. */
function finishTile(
  panel: Panel, product: Product, tile: i32, at: usize, along: usize, end: usize,
  to: usize, stride: usize,
): void {
  let c00 = v128.load(at), c01 = v128.load(at, 16);
  let c10 = v128.load(at, 32), c11 = v128.load(at, 48);
  let c20 = v128.load(at, 64), c21 = v128.load(at, 80);
  let c30 = v128.load(at, 96), c31 = v128.load(at, 112);
  if (product.tokenScale !== 0) {
    const scales = product.tokenScale + (<usize>tile << 4);
    let s = v128.load32_splat(scales);
    c00 = f32x4.mul(c00, s);
    c01 = f32x4.mul(c01, s);
    s = v128.load32_splat(scales, 4);
    c10 = f32x4.mul(c10, s);
    c11 = f32x4.mul(c11, s);
    s = v128.load32_splat(scales, 8);
    c20 = f32x4.mul(c20, s);
    c21 = f32x4.mul(c21, s);
    s = v128.load32_splat(scales, 12);
    c30 = f32x4.mul(c30, s);
    c31 = f32x4.mul(c31, s);
  }
  const sampleOf = product.sampleOf + (<usize>tile << 4);
  let row = panel.rows + (<usize>i32.load(sampleOf) << 5);
  c00 = f32x4.add(c00, v128.load(row));
  c01 = f32x4.add(c01, v128.load(row, 16));
  row = panel.rows + (<usize>i32.load(sampleOf, 4) << 5);
  c10 = f32x4.add(c10, v128.load(row));
  c11 = f32x4.add(c11, v128.load(row, 16));
  row = panel.rows + (<usize>i32.load(sampleOf, 8) << 5);
  c20 = f32x4.add(c20, v128.load(row));
  c21 = f32x4.add(c21, v128.load(row, 16));
  row = panel.rows + (<usize>i32.load(sampleOf, 12) << 5);
  c30 = f32x4.add(c30, v128.load(row));
  c31 = f32x4.add(c31, v128.load(row, 16));
  let a = along;
  let b = panel.directions;
  do {
    const p = v128.load(b);
    const q = v128.load(b, 16);
    let t = v128.load32_splat(a);
    c00 = madd(t, p, c00);
    c01 = madd(t, q, c01);
    t = v128.load32_splat(a, 4);
    c10 = madd(t, p, c10);
    c11 = madd(t, q, c11);
    t = v128.load32_splat(a, 8);
    c20 = madd(t, p, c20);
    c21 = madd(t, q, c21);
    t = v128.load32_splat(a, 12);
    c30 = madd(t, p, c30);
    c31 = madd(t, q, c31);
    a += 16;
    b += 32;
  } while (a < end);
  if (to !== at) clearTile(at);
  const to1 = to + stride, to2 = to1 + stride, to3 = to2 + stride;
  v128.store(to, c00);
  v128.store(to, c01, 16);
  v128.store(to1, c10);
  v128.store(to1, c11, 16);
  v128.store(to2, c20);
  v128.store(to2, c21, 16);
  v128.store(to3, c30);
  v128.store(to3, c31, 16);
}
