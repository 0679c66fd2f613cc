// What goes along a few directions V beside the codes: rows times V, and what is left of them.
import { floatTile } from './floatTile';
import { madd } from './math';
import { ALONG_SCRATCH_ROWS, alongScratchSums, MR, NR } from './records';
import { copyRow } from './rows';

/** Rows of V that stay in L1 while all its columns are gone through. */
const CHUNK: i32 = 256;

/** V [d, rank] → PaddedDirections, rows begin … end. */
export function padDirections(
  v: usize, rank: i32, paddedRank: i32, to: usize, scratch: usize, begin: i32, end: i32,
): void {
  const bytes = <usize>rank << 2;
  const stride = <usize>paddedRank << 2;
  for (let i = begin; i < end; i++) {
    const from = v + <usize>i * bytes;
    const out = to + <usize>i * stride;
    let at: usize = 0;
    for (; at < bytes; at += 4) f32.store(out + at, f32.load(from + at));
    for (; at < stride; at += 4) f32.store(out + at, 0);
  }
}

/** V [d, rank] → TakenDirections, panels begin … end. */
export function turnDirections(
  v: usize, d: i32, rank: i32, to: usize, scratch: usize, begin: i32, end: i32,
): void {
  const bytes = <usize>rank << 2;
  for (let panel = begin; panel < end; panel++) {
    const first = panel * NR;
    let out = to + <usize>first * bytes;
    for (let r: usize = 0; r < bytes; r += 4, out += 32) {
      let from = v + <usize>first * bytes + r;
      for (let i = 0; i < NR; i++, from += bytes) {
        f32.store(out + (<usize>i << 2), first + i < d ? f32.load(from) : 0);
      }
    }
  }
}

/** `count` rows, 1 to MR, `stride` bytes apart, times PaddedDirections → f32 [MR, paddedRank]. */
export function projectRows(
  x: usize, stride: usize, count: i32, directions: usize, d: i32, paddedRank: i32, to: usize,
): void {
  const rankBytes = <usize>paddedRank << 2;
  for (let at = to; at < to + rankBytes * MR; at += 16) v128.store(at, i32x4.splat(0));
  // rows that are not there: the first one again
  let x0 = x;
  let x1 = count > 1 ? x + stride : x;
  let x2 = count > 2 ? x + (stride << 1) : x;
  let x3 = count > 3 ? x + stride * 3 : x;
  let v = directions;
  for (let start = 0; start < d; start += CHUNK) {
    const bytes = <usize>min(CHUNK, d - start) << 2;
    for (let lane: usize = 0; lane < rankBytes; lane += 32) {
      floatTile(x0, x1, x2, x3, bytes, v + lane, rankBytes, to + lane);
    }
    x0 += bytes;
    x1 += bytes;
    x2 += bytes;
    x3 += bytes;
    v += (bytes >> 2) * rankBytes;
  }
}

/**
 * MR rows in scratch, less what goes along: rows − sums Vᵀ. `stride`: a multiple of NR floats.
 * Added up first, and in order, as tfjs's products are: its ops give the same codes.
 */
export function takeOut(
  rows: usize, stride: usize, d: i32, taken: usize, rank: i32, sums: usize, paddedRank: i32,
): void {
  const rankBytes = <usize>paddedRank << 2;
  const end = rows + (<usize>((d + 7) & ~7) << 2);
  let b = taken;
  for (let row = rows; row < end; row += 32) {
    const row1 = row + stride, row2 = row1 + stride, row3 = row2 + stride;
    let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00;
    let c20 = c00, c21 = c00, c30 = c00, c31 = c00;
    let s0 = sums, s1 = s0 + rankBytes, s2 = s1 + rankBytes, s3 = s2 + rankBytes;
    const last = b + (<usize>rank << 5);
    do {
      const p = v128.load(b);
      const q = v128.load(b, 16);
      let t = v128.load32_splat(s0);
      c00 = madd(t, p, c00);
      c01 = madd(t, q, c01);
      t = v128.load32_splat(s1);
      c10 = madd(t, p, c10);
      c11 = madd(t, q, c11);
      t = v128.load32_splat(s2);
      c20 = madd(t, p, c20);
      c21 = madd(t, q, c21);
      t = v128.load32_splat(s3);
      c30 = madd(t, p, c30);
      c31 = madd(t, q, c31);
      s0 += 4;
      s1 += 4;
      s2 += 4;
      s3 += 4;
      b += 32;
    } while (b < last);
    v128.store(row, f32x4.sub(v128.load(row), c00));
    v128.store(row, f32x4.sub(v128.load(row, 16), c01), 16);
    v128.store(row1, f32x4.sub(v128.load(row1), c10));
    v128.store(row1, f32x4.sub(v128.load(row1, 16), c11), 16);
    v128.store(row2, f32x4.sub(v128.load(row2), c20));
    v128.store(row2, f32x4.sub(v128.load(row2, 16), c21), 16);
    v128.store(row3, f32x4.sub(v128.load(row3), c30));
    v128.store(row3, f32x4.sub(v128.load(row3, 16), c31), 16);
  }
}

/**
 * Rows begin … end of f32 [count, d]: what goes along, f32 [count, rank], and where there are
 * TakenDirections what is left, in their place. Scratch: an AlongScratch.
 */
export function splitRows(
  rows: usize, d: i32, directions: usize, taken: usize, rank: i32, paddedRank: i32, along: usize,
  scratch: usize, begin: i32, end: i32,
): void {
  const bytes = <usize>d << 2;
  const stride = <usize>((d + 15) & ~15) << 2;
  const own = scratch + ALONG_SCRATCH_ROWS;
  const sums = alongScratchSums(scratch, d);
  for (let first = begin; first < end; first += MR) {
    const count = min(MR, end - first);
    const row = rows + <usize>first * bytes;
    projectRows(row, bytes, count, directions, d, paddedRank, sums);
    for (let r = 0; r < count; r++) {
      const from = sums + (<usize>(r * paddedRank) << 2);
      storeAlong(from, 0, along + (<usize>((first + r) * rank) << 2), rank);
    }
    if (taken === 0) continue;
    for (let r: usize = 0; r < <usize>count; r++) copyRow(row + r * bytes, own + r * stride, bytes);
    takeOut(own, stride, d, taken, rank, sums, paddedRank);
    for (let r: usize = 0; r < <usize>count; r++) copyRow(own + r * stride, row + r * bytes, bytes);
  }
}

/** A row of sums, and f32 [rank] more where it is there, to f32 [rank]. */
export function storeAlong(sums: usize, more: usize, to: usize, rank: i32): void {
  const bytes = <usize>rank << 2;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    let v = v128.load(sums + at);
    if (more !== 0) v = f32x4.add(v, v128.load(more + at));
    v128.store(to + at, v);
  }
  for (; at < bytes; at += 4) {
    let v = f32.load(sums + at);
    if (more !== 0) v += f32.load(more + at);
    f32.store(to + at, v);
  }
}
