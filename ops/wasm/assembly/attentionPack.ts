// Keys, values and queries of a head in the order in which the products read them.
import { MR, NR, QUERIES } from './records';

/**
 * Keys with `stride` bytes between them → panels of 8: [⌈keys / 8⌉][channels][8], zeros behind the
 * last key.
 */
export function packKeys(from: usize, stride: usize, keys: i32, channels: i32, to: usize): void {
  const panelBytes = <usize>channels << 5;
  let key = 0;
  for (; key + NR <= keys; key += NR, to += panelBytes) {
    const at = from + <usize>key * stride;
    turnRows(at, stride, channels, to, 32);
    turnRows(at + 4 * stride, stride, channels, to + 16, 32);
  }
  if (key === keys) return;
  for (let i = 0; i < NR; i++) {
    const at = from + <usize>(key + i) * stride;
    const inside = key + i < keys;
    for (let c: usize = 0; c < <usize>channels; c++) {
      f32.store(to + (c << 5) + (<usize>i << 2), inside ? f32.load(at + (c << 2)) : 0);
    }
  }
}

/** 4 rows of `count` floats, column after column, with `step` bytes between columns. */
function turnRows(row0: usize, stride: usize, count: i32, to: usize, step: usize): void {
  const row1 = row0 + stride;
  const row2 = row1 + stride;
  const row3 = row2 + stride;
  const bytes = <usize>count << 2;
  let c: usize = 0;
  for (; c + 16 <= bytes; c += 16, to += step << 2) {
    const a = v128.load(row0 + c);
    const b = v128.load(row1 + c);
    const d = v128.load(row2 + c);
    const e = v128.load(row3 + c);
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
    const de = v128.shuffle<i32>(d, e, 0, 4, 1, 5);
    const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const deHigh = v128.shuffle<i32>(d, e, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<i64>(ab, de, 0, 2));
    v128.store(to + step, v128.shuffle<i64>(ab, de, 1, 3));
    v128.store(to + 2 * step, v128.shuffle<i64>(abHigh, deHigh, 0, 2));
    v128.store(to + 3 * step, v128.shuffle<i64>(abHigh, deHigh, 1, 3));
  }
  for (; c < bytes; c += 4, to += step) {
    f32.store(to, f32.load(row0 + c));
    f32.store(to, f32.load(row1 + c), 4);
    f32.store(to, f32.load(row2 + c), 8);
    f32.store(to, f32.load(row3 + c), 12);
  }
}

/**
 * Values with `stride` bytes between them → panels of 8 channels: [⌈channels / 8⌉][keys][8], zeros
 * behind the last channel.
 */
export function packValues(from: usize, stride: usize, keys: i32, channels: i32, to: usize): void {
  for (let c = 0; c < channels; c += NR) {
    const count = min(NR, channels - c);
    let at = from + (<usize>c << 2);
    for (let key = 0; key < keys; key++, at += stride, to += 32) {
      if (count === NR) {
        v128.store(to, v128.load(at));
        v128.store(to, v128.load(at, 16), 16);
        continue;
      }
      for (let i: usize = 0; i < 8; i++) {
        f32.store(to + (i << 2), i < <usize>count ? f32.load(at + (i << 2)) : 0);
      }
    }
  }
}

/** Up to 16 queries times `scale` → tiles of 4: [4][channels][4], zeros behind the last one. */
export function packQueries(
  from: usize,
  stride: usize,
  count: i32,
  channels: i32,
  scale: f32,
  to: usize,
): void {
  const tileBytes = <usize>channels << 4;
  const end = to + tileBytes * <usize>(QUERIES / MR);
  const factor = f32x4.splat(scale);
  let query = 0;
  let at = to;
  for (; query + MR <= count; query += MR, at += tileBytes) {
    turnRows(from + <usize>query * stride, stride, channels, at, 16);
  }
  const whole = at;
  for (; at < end; at += 16) v128.store(at, f32x4.splat(0));
  for (; query < count; query++) {
    const row = from + <usize>query * stride;
    const lane = whole + (<usize>(query % MR) << 2);
    for (let c: usize = 0; c < <usize>channels; c++) {
      f32.store(lane + (c << 4), f32.load(row + (c << 2)));
    }
  }
  for (at = to; at < end; at += 16) v128.store(at, f32x4.mul(v128.load(at), factor));
}
