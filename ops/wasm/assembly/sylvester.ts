// Sylvester's factor: butterflies over blocks of 2^k neighbouring elements.

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
    vectorQuads(src + at, dst + at, part, scale);
    across(dst + at, part, blockBytes);
  }
}

/** The stages above 16 elements, three at a time: 8 vectors are what the registers hold. */
function across(row: usize, bytes: usize, blockBytes: usize): void {
  let span: usize = 64;
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
  for (; at + 16 <= bytes; at += 16) v128.store(dst + at, stage1(f32x4.mul(v128.load(src + at), s), odd));
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

/** The sign bits of a pattern of ±1. Not a constant: V8 would compute one anew at each use, three instructions each time. */
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

function radix2(row: usize, bytes: usize, span: usize): void {
  for (let start: usize = 0; start < bytes; start += span << 1) {
    for (let p = row + start, end = p + span; p < end; p += 16) {
      const a = v128.load(p);
      const b = v128.load(p + span);
      v128.store(p, f32x4.add(a, b));
      v128.store(p + span, f32x4.sub(a, b));
    }
  }
}

function radix4(row: usize, bytes: usize, span: usize): void {
  for (let start: usize = 0; start < bytes; start += span << 2) {
    for (let p = row + start, end = p + span; p < end; p += 16) {
      const p1 = p + span;
      const p2 = p1 + span;
      const p3 = p2 + span;
      const a = v128.load(p);
      const b = v128.load(p1);
      const c = v128.load(p2);
      const d = v128.load(p3);
      const ab = f32x4.add(a, b);
      const amb = f32x4.sub(a, b);
      const cd = f32x4.add(c, d);
      const cmd = f32x4.sub(c, d);
      v128.store(p, f32x4.add(ab, cd));
      v128.store(p1, f32x4.add(amb, cmd));
      v128.store(p2, f32x4.sub(ab, cd));
      v128.store(p3, f32x4.sub(amb, cmd));
    }
  }
}

function radix8(row: usize, bytes: usize, span: usize): void {
  const half = span << 2;
  for (let start: usize = 0; start < bytes; start += span << 3) {
    for (let p = row + start, end = p + span; p < end; p += 16) {
      const p1 = p + span;
      const p2 = p1 + span;
      const p3 = p2 + span;
      let a = v128.load(p);
      let b = v128.load(p1);
      let c = v128.load(p2);
      let d = v128.load(p3);
      let x = f32x4.add(a, b);
      let y = f32x4.sub(a, b);
      let z = f32x4.add(c, d);
      let w = f32x4.sub(c, d);
      a = f32x4.add(x, z);
      b = f32x4.add(y, w);
      c = f32x4.sub(x, z);
      d = f32x4.sub(y, w);
      const e0 = v128.load(p + half);
      const f0 = v128.load(p1 + half);
      const g0 = v128.load(p2 + half);
      const h0 = v128.load(p3 + half);
      x = f32x4.add(e0, f0);
      y = f32x4.sub(e0, f0);
      z = f32x4.add(g0, h0);
      w = f32x4.sub(g0, h0);
      const e = f32x4.add(x, z);
      const f = f32x4.add(y, w);
      const g = f32x4.sub(x, z);
      const h = f32x4.sub(y, w);
      v128.store(p, f32x4.add(a, e));
      v128.store(p1, f32x4.add(b, f));
      v128.store(p2, f32x4.add(c, g));
      v128.store(p3, f32x4.add(d, h));
      v128.store(p + half, f32x4.sub(a, e));
      v128.store(p1 + half, f32x4.sub(b, f));
      v128.store(p2 + half, f32x4.sub(c, g));
      v128.store(p3 + half, f32x4.sub(d, h));
    }
  }
}
