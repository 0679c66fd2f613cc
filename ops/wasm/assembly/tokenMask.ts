// Means of the tokens that a mask counts.
import { COLUMNS } from './records';

/**
 * As `columnMeans` (rows.ts), of the tokens whose mask [samples, tokens] is not 0; 0 where it is
 * for all. The sums are added up in the same order: the bits are those of `columnMeans` where all
 * tokens count.
 */
export function maskedMeans(
  mask: usize,
  x: usize,
  means: usize,
  tokens: i32,
  d: i32,
  scratch: usize,
  begin: i32,
  end: i32,
): void {
  const blocks = (d + COLUMNS - 1) / COLUMNS;
  for (let item = begin; item < end; ) {
    const sample = item / blocks;
    const first = item - sample * blocks;
    const last = min(blocks, first + end - item);
    const column = <usize>(first * COLUMNS) << 2;
    meansOf(
      mask + (<usize>(sample * tokens) << 2),
      x + (<usize>(sample * tokens * d) << 2) + column,
      means + (<usize>(sample * d) << 2) + column,
      tokens,
      <usize>d << 2,
      <usize>(min(last * COLUMNS, d) - first * COLUMNS) << 2,
    );
    item += last - first;
  }
}

/** All bits for a token that counts, else none: what it holds, NaN too, is 0 behind them. */
// @ts-ignore: decorator
@inline
function bitsOf(mask: usize): i32 {
  return f32.load(mask) != 0 ? -1 : 0;
}

function meansOf(mask: usize, x: usize, to: usize, tokens: i32, stride: usize, bytes: usize): void {
  memory.fill(to, 0, bytes);
  let count = 0;
  let t = 0;
  for (; t + 4 <= tokens; t += 4, x += stride << 2, mask += 16) {
    const first = bitsOf(mask), second = bitsOf(mask + 4);
    const third = bitsOf(mask + 8), fourth = bitsOf(mask + 12);
    const own = -(first + second + third + fourth);
    if (own === 0) continue;
    count += own;
    addFour(x, to, stride, bytes, first, second, third, fourth);
  }
  for (; t < tokens; t++, x += stride, mask += 4) {
    if (bitsOf(mask) === 0) continue;
    count++;
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(x + at)));
    }
    for (; at < bytes; at += 4) f32.store(to + at, f32.load(to + at) + f32.load(x + at));
  }
  if (count === 0) return;
  const divisor = <f32>count;
  for (let at: usize = 0; at < bytes; at += 4) f32.store(to + at, f32.load(to + at) / divisor);
}

/** Sums of four tokens, those of them whose bits are none as zeros. */
function addFour(
  a: usize,
  to: usize,
  stride: usize,
  bytes: usize,
  first: i32,
  second: i32,
  third: i32,
  fourth: i32,
): void {
  const b = a + stride, c = b + stride, e = c + stride;
  const ofA = i32x4.splat(first), ofB = i32x4.splat(second);
  const ofC = i32x4.splat(third), ofE = i32x4.splat(fourth);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    const ab = f32x4.add(v128.and(v128.load(a + at), ofA), v128.and(v128.load(b + at), ofB));
    const ce = f32x4.add(v128.and(v128.load(c + at), ofC), v128.and(v128.load(e + at), ofE));
    v128.store(to + at, f32x4.add(v128.load(to + at), f32x4.add(ab, ce)));
  }
  for (; at < bytes; at += 4) {
    const ab = masked(a + at, first) + masked(b + at, second);
    const sum = ab + (masked(c + at, third) + masked(e + at, fourth));
    f32.store(to + at, f32.load(to + at) + sum);
  }
}

// @ts-ignore: decorator
@inline
function masked(at: usize, bits: i32): f32 {
  return f32.reinterpret_i32(i32.load(at) & bits);
}
