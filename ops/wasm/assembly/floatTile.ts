// The tile of products of float32 numbers.
import { madd } from './math';

/** 4 rows × 8 columns, added to f32 [4][8], whose rows are as far apart as those of `weights`. */
// @ts-ignore: decorator
@inline
export function floatTile(
  row0: usize, row1: usize, row2: usize, row3: usize, bytes: usize,
  weights: usize, stride: usize, to: usize,
): void {
  const to1 = to + stride, to2 = to1 + stride, to3 = to2 + stride;
  let x0 = row0, x1 = row1, x2 = row2, x3 = row3, b = weights;
  let c00 = v128.load(to), c01 = v128.load(to, 16);
  let c10 = v128.load(to1), c11 = v128.load(to1, 16);
  let c20 = v128.load(to2), c21 = v128.load(to2, 16);
  let c30 = v128.load(to3), c31 = v128.load(to3, 16);
  const end = x0 + bytes;
  do {
    const p = v128.load(b);
    const q = v128.load(b, 16);
    let t = v128.load32_splat(x0);
    c00 = madd(t, p, c00);
    c01 = madd(t, q, c01);
    t = v128.load32_splat(x1);
    c10 = madd(t, p, c10);
    c11 = madd(t, q, c11);
    t = v128.load32_splat(x2);
    c20 = madd(t, p, c20);
    c21 = madd(t, q, c21);
    t = v128.load32_splat(x3);
    c30 = madd(t, p, c30);
    c31 = madd(t, q, c31);
    x0 += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
    b += stride;
  } while (x0 < end);
  v128.store(to, c00);
  v128.store(to, c01, 16);
  v128.store(to1, c10);
  v128.store(to1, c11, 16);
  v128.store(to2, c20);
  v128.store(to2, c21, 16);
  v128.store(to3, c30);
  v128.store(to3, c31, 16);
}
