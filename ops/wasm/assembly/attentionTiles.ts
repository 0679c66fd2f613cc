// The two products of an attention, in tiles of 4 rows × 8 columns: more accumulators than 8 spill,
// fewer wait for additions.
import { madd } from './math';
import { SCORE_ROW_BYTES } from './records';

/**
 * Scores of 4 queries [channels][4] against a panel of 8 keys [channels][8]; rows SCORE_ROW_BYTES
 * apart.
 */
export function scoreTile(queries: usize, keys: usize, channels: i32, to: usize): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00;
  let c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  const end = keys + (<usize>channels << 5);
  while (keys < end) {
    const x = v128.load(keys);
    const y = v128.load(keys, 16);
    let t = v128.load32_splat(queries);
    c00 = madd(t, x, c00);
    c01 = madd(t, y, c01);
    t = v128.load32_splat(queries, 4);
    c10 = madd(t, x, c10);
    c11 = madd(t, y, c11);
    t = v128.load32_splat(queries, 8);
    c20 = madd(t, x, c20);
    c21 = madd(t, y, c21);
    t = v128.load32_splat(queries, 12);
    c30 = madd(t, x, c30);
    c31 = madd(t, y, c31);
    queries += 16;
    keys += 32;
  }
  v128.store(to, c00);
  v128.store(to, c01, 16);
  v128.store(to, c10, SCORE_ROW_BYTES);
  v128.store(to, c11, SCORE_ROW_BYTES + 16);
  v128.store(to, c20, 2 * SCORE_ROW_BYTES);
  v128.store(to, c21, 2 * SCORE_ROW_BYTES + 16);
  v128.store(to, c30, 3 * SCORE_ROW_BYTES);
  v128.store(to, c31, 3 * SCORE_ROW_BYTES + 16);
}

/**
 * sums [4][8] += weights of 4 queries, rows SCORE_ROW_BYTES apart, by a panel of values [keys][8].
 */
export function mixTile(weights: usize, values: usize, keys: i32, sums: usize): void {
  let c00 = v128.load(sums), c01 = v128.load(sums, 16);
  let c10 = v128.load(sums, 32), c11 = v128.load(sums, 48);
  let c20 = v128.load(sums, 64), c21 = v128.load(sums, 80);
  let c30 = v128.load(sums, 96), c31 = v128.load(sums, 112);
  const end = values + (<usize>keys << 5);
  while (values < end) {
    const x = v128.load(values);
    const y = v128.load(values, 16);
    let t = v128.load32_splat(weights);
    c00 = madd(t, x, c00);
    c01 = madd(t, y, c01);
    t = v128.load32_splat(weights, SCORE_ROW_BYTES);
    c10 = madd(t, x, c10);
    c11 = madd(t, y, c11);
    t = v128.load32_splat(weights, 2 * SCORE_ROW_BYTES);
    c20 = madd(t, x, c20);
    c21 = madd(t, y, c21);
    t = v128.load32_splat(weights, 3 * SCORE_ROW_BYTES);
    c30 = madd(t, x, c30);
    c31 = madd(t, y, c31);
    weights += 4;
    values += 32;
  }
  v128.store(sums, c00);
  v128.store(sums, c01, 16);
  v128.store(sums, c10, 32);
  v128.store(sums, c11, 48);
  v128.store(sums, c20, 64);
  v128.store(sums, c21, 80);
  v128.store(sums, c30, 96);
  v128.store(sums, c31, 112);
}
