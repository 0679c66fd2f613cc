// What ChannelCenter, FakeQuant and HadaNormQuantize do to a row: one arithmetic, so that fused and
// unfused give the same codes.

import { COLUMNS, MAX_VALUE, MIN_SCALE, Quantizer } from './records';

/**
 * 1.5 · 2^23: adding it rounds a float below 2^22 to the nearest integer, ties to even, which its
 * low bits then hold.
 */
const ROUND: f32 = 12582912;
const ROUND_BITS: i32 = 0x4b400000;

/**
 * Means over the tokens of x [samples, tokens, d] → [samples, d]. Items: blocks of 16 columns,
 * sample after sample.
 */
export function columnMeans(
  x: usize, means: usize, tokens: i32, d: i32, scratch: usize, begin: i32, end: i32,
): void {
  const blocks = (d + COLUMNS - 1) / COLUMNS;
  for (let item = begin; item < end; ) {
    const sample = item / blocks;
    const first = item - sample * blocks;
    const last = min(blocks, first + end - item);
    const column = <usize>(first * COLUMNS) << 2;
    const to = means + (<usize>(sample * d) << 2);
    meansOf(
      x + (<usize>(sample * tokens * d) << 2) + column,
      to + column,
      tokens,
      <usize>d << 2,
      <usize>(min(last * COLUMNS, d) - first * COLUMNS) << 2,
    );
    item += last - first;
  }
}

/** Four tokens at a time: a load and a store of the sums per four additions. */
function meansOf(x: usize, to: usize, tokens: i32, stride: usize, bytes: usize): void {
  memory.fill(to, 0, bytes);
  let t = 0;
  for (; t + 4 <= tokens; t += 4, x += stride << 2) {
    const b = x + stride, c = b + stride, e = c + stride;
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      const ab = f32x4.add(v128.load(x + at), v128.load(b + at));
      const ce = f32x4.add(v128.load(c + at), v128.load(e + at));
      v128.store(to + at, f32x4.add(v128.load(to + at), f32x4.add(ab, ce)));
    }
    for (; at < bytes; at += 4) {
      const sum = f32.load(x + at) + f32.load(b + at) + (f32.load(c + at) + f32.load(e + at));
      f32.store(to + at, f32.load(to + at) + sum);
    }
  }
  for (; t < tokens; t++, x += stride) {
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(x + at)));
    }
    for (; at < bytes; at += 4) f32.store(to + at, f32.load(to + at) + f32.load(x + at));
  }
  const count = <f32>tokens;
  for (let at: usize = 0; at < bytes; at += 4) f32.store(to + at, f32.load(to + at) / count);
}

/** dst = (src − mean) / scale over `d` elements; mean and scale may be 0 for none. */
export function centerRow(src: usize, dst: usize, mean: usize, scale: usize, d: i32): void {
  const bytes = <usize>d << 2;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    let v = v128.load(src + at);
    if (mean !== 0) v = f32x4.sub(v, v128.load(mean + at));
    if (scale !== 0) v = f32x4.div(v, v128.load(scale + at));
    v128.store(dst + at, v);
  }
  for (; at < bytes; at += 4) {
    let v = f32.load(src + at);
    if (mean !== 0) v -= f32.load(mean + at);
    if (scale !== 0) v /= f32.load(scale + at);
    f32.store(dst + at, v);
  }
}

/** `bytes` from one row to another, a multiple of 4. */
export function copyRow(src: usize, dst: usize, bytes: usize): void {
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(dst + at, v128.load(src + at));
  for (; at < bytes; at += 4) f32.store(dst + at, f32.load(src + at));
}

/** Twice the bits of infinity, its sign dropped: those of a finite number are less. */
const TWICE_INFINITE: i32 = 0xff000000;

/**
 * The least and the greatest of `count` elements and 0 → lo, hi in the first two fields; NaN where
 * there is a NaN or Inf.
 */
export function rangeOf(x: usize, count: i32, to: Quantizer): void {
  const end = x + (<usize>count << 2);
  let low = f32x4.splat(0);
  let high = low;
  let bits = low;
  // two chains of each: one would wait for the latency of its minimum
  let low2 = low;
  let high2 = low;
  let bits2 = low;
  for (; x + 32 <= end; x += 32) {
    const v = v128.load(x);
    const w = v128.load(x, 16);
    low = f32x4.pmin(low, v);
    high = f32x4.pmax(high, v);
    bits = i32x4.max_u(bits, i32x4.shl(v, 1));
    low2 = f32x4.pmin(low2, w);
    high2 = f32x4.pmax(high2, w);
    bits2 = i32x4.max_u(bits2, i32x4.shl(w, 1));
  }
  for (; x < end; x += 4) {
    const v = v128.load32_zero(x);
    low = f32x4.pmin(low, v);
    high = f32x4.pmax(high, v);
    bits = i32x4.max_u(bits, i32x4.shl(v, 1));
  }
  low = f32x4.pmin(low, low2);
  high = f32x4.pmax(high, high2);
  low = f32x4.pmin(low, v128.shuffle<f32>(low, low, 2, 3, 0, 1));
  high = f32x4.pmax(high, v128.shuffle<f32>(high, high, 2, 3, 0, 1));
  low = f32x4.pmin(low, v128.shuffle<f32>(low, low, 1, 0, 3, 2));
  high = f32x4.pmax(high, v128.shuffle<f32>(high, high, 1, 0, 3, 2));
  const finite = i32x4.all_true(i32x4.lt_u(i32x4.max_u(bits, bits2), i32x4.splat(TWICE_INFINITE)));
  to.low = finite ? f32x4.extract_lane(low, 0) : NaN;
  to.high = finite ? f32x4.extract_lane(high, 0) : NaN;
}

/** Whether one of `count` elements is NaN. */
export function hasNaN(x: usize, count: i32): bool {
  const end = x + (<usize>count << 2);
  let ordered = i32x4.splat(-1);
  for (; x + 16 <= end; x += 16) {
    const v = v128.load(x);
    ordered = v128.and(ordered, f32x4.eq(v, v));
  }
  if (!i32x4.all_true(ordered)) return true;
  for (; x < end; x += 4) {
    const v = f32.load(x);
    if (v !== v) return true;
  }
  return false;
}

/**
 * From `low` and `high`, a range that holds 0, the quantizer, in the float32 steps of
 * quantizationParameters (ops/numerics/formats.ts).
 */
export function quantizerFor(q: Quantizer, qMin: f32, qMax: f32, symmetric: bool): void {
  const least = q.low;
  const most = q.high;
  const step: f32 = symmetric ? greater(-least, most) / qMax : most / qMax - least / qMax;
  const scale = greater(step, MIN_SCALE);
  const halfSpan = greater(<f32>0.5 * most - <f32>0.5 * least, MIN_SCALE);
  const zeroPoint: f32 = symmetric ? 0 : nearest((<f32>-0.5 * least) / halfSpan * qMax);
  const limit = floor(MAX_VALUE / scale);
  q.scale = scale;
  q.zeroPoint = zeroPoint;
  q.low = greater(qMin - zeroPoint, -limit);
  q.high = -greater(zeroPoint - qMax, -limit);
}

/**
 * The greater one, NaN where the first is: cheaper than max, which looks after NaN on both sides
 * and −0.
 */
// @ts-ignore: decorator
@inline
function greater(a: f32, b: f32): f32 {
  return a < b ? b : a;
}

/** clamp(round(v / scale), low, high) as a float plus 1.5 · 2^23, which is `round`. */
// @ts-ignore: decorator
@inline
function rounded(v: v128, scale: v128, low: v128, high: v128, round: v128): v128 {
  const quotient = f32x4.div(v, scale);
  return f32x4.add(f32x4.pmin(high, f32x4.pmax(low, quotient)), round);
}

/** Bytes of `count` codes plus `origin`. */
export function encodeGroup(x: usize, to: usize, count: i32, q: Quantizer, origin: i32): void {
  const scale = f32x4.splat(q.scale);
  const low = f32x4.splat(q.low);
  const high = f32x4.splat(q.high);
  const less = i32x4.splat(ROUND_BITS - origin);
  // not a constant, of which V8 would make a new one at each use
  const round = f32x4.add(f32x4.sub(scale, scale), f32x4.splat(ROUND));
  let i = 0;
  for (; i + 16 <= count; i += 16, x += 64, to += 16) {
    const a = i32x4.sub(rounded(v128.load(x), scale, low, high, round), less);
    const b = i32x4.sub(rounded(v128.load(x, 16), scale, low, high, round), less);
    const c = i32x4.sub(rounded(v128.load(x, 32), scale, low, high, round), less);
    const d = i32x4.sub(rounded(v128.load(x, 48), scale, low, high, round), less);
    const ab = i16x8.narrow_i32x4_s(a, b);
    v128.store(to, i8x16.narrow_i16x8_u(ab, i16x8.narrow_i32x4_s(c, d)));
  }
  for (; i < count; i++, x += 4, to++) {
    const v = rounded(f32x4.splat(f32.load(x)), scale, low, high, round);
    i32.store8(to, i32x4.extract_lane(i32x4.sub(v, less), 0));
  }
}
