// Sylvester's factor: butterflies over blocks of 2^k neighbouring elements.
import { radix2, radix4, radix8 } from './butterflies';

/** Blocks are transformed so many bytes at a time, all passes on them in L1. */
const CHUNK_BYTES: usize = 8192;

/** dst = scale · src (I ⊗ H), H of `blockBytes` / 4 elements, entries ±1. dst may be src. */
export function sylvester(
  src: usize,
  dst: usize,
  bytes: usize,
  blockBytes: usize,
  scale: f32,
): void {
  if (blockBytes === 4) return scaleOnly(src, dst, bytes, scale);
  if (blockBytes === 8) return pairs(src, dst, bytes, scale);
  if (blockBytes === 16) return vectors(src, dst, bytes, scale);
  if (blockBytes === 32) return vectorPairs(src, dst, bytes, scale);
  const chunk = blockBytes > CHUNK_BYTES ? blockBytes : CHUNK_BYTES - (CHUNK_BYTES % blockBytes);
  for (let at: usize = 0; at < bytes; at += chunk) {
    const part = min(chunk, bytes - at);
    if (startsWithFive(blockBytes)) vectorOctets(src + at, dst + at, part, scale);
    else vectorQuads(src + at, dst + at, part, scale);
    across(dst + at, part, blockBytes);
  }
}

/** Whether the stages are 5 and then threes: a block of 32 · 8^i elements. */
function startsWithFive(blockBytes: usize): bool {
  return ctz(blockBytes) % 3 === 1;
}

/**
 * The stages above the first four or five, three at a time: 8 vectors are what the registers hold.
 */
function across(row: usize, bytes: usize, blockBytes: usize): void {
  let span: usize = startsWithFive(blockBytes) ? 128 : 64;
  while (span < blockBytes) {
    const rest = blockBytes / span;
    if (rest === 2) {
      radix2(row, bytes, span);
      span <<= 1;
    } else if (rest === 4 || rest === 16) {
      radix4(row, bytes, span);
      span <<= 2;
    } else {
      radix8(row, bytes, span);
      span <<= 3;
    }
  }
}

function scaleOnly(src: usize, dst: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(dst + at, f32x4.mul(v128.load(src + at), s));
  for (; at < bytes; at += 4) store<f32>(dst + at, load<f32>(src + at) * scale);
}

/** Blocks of two. */
function pairs(src: usize, dst: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale);
  const odd = signs(s, f32x4(1, -1, 1, -1));
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    v128.store(dst + at, stage1(f32x4.mul(v128.load(src + at), s), odd));
  }
  if (at === bytes) return;
  const a = load<f32>(src + at) * scale;
  const b = load<f32>(src + at, 4) * scale;
  store<f32>(dst + at, a + b);
  store<f32>(dst + at, a - b, 4);
}

/** Blocks of 4, one vector. */
function vectors(src: usize, dst: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale);
  const odd = signs(s, f32x4(1, -1, 1, -1));
  const high = signs(s, f32x4(1, 1, -1, -1));
  for (let at: usize = 0; at < bytes; at += 16) {
    v128.store(dst + at, within(v128.load(src + at), s, odd, high));
  }
}

/** Blocks of 8, two vectors. */
function vectorPairs(src: usize, dst: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale);
  const odd = signs(s, f32x4(1, -1, 1, -1));
  const high = signs(s, f32x4(1, 1, -1, -1));
  for (const end = src + bytes; src < end; src += 32) {
    const a = within(v128.load(src), s, odd, high);
    const b = within(v128.load(src, 16), s, odd, high);
    v128.store(dst, f32x4.add(a, b));
    v128.store(dst, f32x4.sub(a, b), 16);
    dst += 32;
  }
}

/** The first four stages of larger blocks: 16 elements, four vectors. */
function vectorQuads(src: usize, dst: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale);
  const odd = signs(s, f32x4(1, -1, 1, -1));
  const high = signs(s, f32x4(1, 1, -1, -1));
  for (const end = src + bytes; src < end; src += 64) {
    const a = within(v128.load(src), s, odd, high);
    const b = within(v128.load(src, 16), s, odd, high);
    const c = within(v128.load(src, 32), s, odd, high);
    const d = within(v128.load(src, 48), s, odd, high);
    const ab = f32x4.add(a, b);
    const amb = f32x4.sub(a, b);
    const cd = f32x4.add(c, d);
    const cmd = f32x4.sub(c, d);
    v128.store(dst, f32x4.add(ab, cd));
    v128.store(dst, f32x4.add(amb, cmd), 16);
    v128.store(dst, f32x4.sub(ab, cd), 32);
    v128.store(dst, f32x4.sub(amb, cmd), 48);
    dst += 64;
  }
}

/** The first five stages: 32 elements, eight vectors. */
function vectorOctets(src: usize, dst: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale);
  const odd = signs(s, f32x4(1, -1, 1, -1));
  const high = signs(s, f32x4(1, 1, -1, -1));
  for (const end = src + bytes; src < end; src += 128) {
    let a = within(v128.load(src), s, odd, high);
    let b = within(v128.load(src, 16), s, odd, high);
    let c = within(v128.load(src, 32), s, odd, high);
    let d = within(v128.load(src, 48), s, odd, high);
    let x = f32x4.add(a, b);
    let y = f32x4.sub(a, b);
    let z = f32x4.add(c, d);
    let w = f32x4.sub(c, d);
    a = f32x4.add(x, z);
    b = f32x4.add(y, w);
    c = f32x4.sub(x, z);
    d = f32x4.sub(y, w);
    let e = within(v128.load(src, 64), s, odd, high);
    let f = within(v128.load(src, 80), s, odd, high);
    let g = within(v128.load(src, 96), s, odd, high);
    let h = within(v128.load(src, 112), s, odd, high);
    x = f32x4.add(e, f);
    y = f32x4.sub(e, f);
    z = f32x4.add(g, h);
    w = f32x4.sub(g, h);
    e = f32x4.add(x, z);
    f = f32x4.add(y, w);
    g = f32x4.sub(x, z);
    h = f32x4.sub(y, w);
    v128.store(dst, f32x4.add(a, e));
    v128.store(dst, f32x4.add(b, f), 16);
    v128.store(dst, f32x4.add(c, g), 32);
    v128.store(dst, f32x4.add(d, h), 48);
    v128.store(dst, f32x4.sub(a, e), 64);
    v128.store(dst, f32x4.sub(b, f), 80);
    v128.store(dst, f32x4.sub(c, g), 96);
    v128.store(dst, f32x4.sub(d, h), 112);
    dst += 128;
  }
}

/**
 * The sign bits of a pattern of ±1. Not a constant: V8 would compute one anew at each use, three
 * instructions each time.
 */
// @ts-ignore: decorator
@inline
function signs(s: v128, pattern: v128): v128 {
  return v128.xor(s, f32x4.mul(s, pattern));
}

/** [a, b, c, d] → [a + b, a − b, c + d, c − d] */
// @ts-ignore: decorator
@inline
function stage1(v: v128, odd: v128): v128 {
  return f32x4.add(v128.xor(v, odd), v128.shuffle<f32>(v, v, 1, 0, 3, 2));
}

/** Both stages within a vector. */
// @ts-ignore: decorator
@inline
function within(x: v128, s: v128, odd: v128, high: v128): v128 {
  const v = stage1(f32x4.mul(x, s), odd);
  return f32x4.add(v128.xor(v, high), v128.shuffle<f32>(v, v, 2, 3, 0, 1));
}
