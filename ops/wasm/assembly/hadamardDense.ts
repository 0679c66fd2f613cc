// A dense ±1 factor by a table: along columns of `order` entries `stride` apart, 16 columns at a
// time.
//
// Four inputs have only 8 signed sums up to their sign; every output adds or subtracts one of them
// per four inputs (the "four Russians" method): a quarter of the additions of the plain product.
//
// The table has, for each output: u16 number of sums to add, then order / 4 times u16 which sum,
// those to add first, then those to subtract. Sum 8 k + code is a ± b ± c ± d of inputs 4 k …: bit
// 0 of code: −b, bit 1: −c, bit 2: −d. temp: a DenseTemp.
import { denseTempColumns, PANEL_BYTES, SUMS_BYTES, VECTOR } from './records';

/** dst = scale · src by the factor. dst may be src. */
export function denseFactor(
  src: usize,
  dst: usize,
  bytes: usize,
  order: u32,
  stride: usize,
  table: usize,
  temp: usize,
  scale: f32,
): void {
  if (stride < 4 * VECTOR) return narrowColumns(src, dst, bytes, order, stride, table, temp, scale);
  const groupBytes = <usize>order * stride;
  let group: usize = 0;
  let at: usize = 0;
  while (group < bytes) {
    // the last panel may have fewer columns: it then repeats its last, which does no harm
    const a = group + at;
    let b = a;
    let c = a;
    let d = a;
    for (let i = 0; i < 4; i++) {
      at += 16;
      if (at === stride) {
        at = 0;
        group += groupBytes;
      }
      if (group === bytes) break;
      const next = group + at;
      if (i === 0) b = next;
      if (i <= 1) c = next;
      if (i <= 2) d = next;
    }
    signedSums(src + a, src + b, src + c, src + d, order, stride, temp, scale);
    pickSums(dst + a, dst + b, dst + c, dst + d, order, stride, table, temp);
  }
}

/** Columns less than 4 elements apart: 16 of them are gathered into a panel, and put back. */
function narrowColumns(
  src: usize,
  dst: usize,
  bytes: usize,
  order: u32,
  stride: usize,
  table: usize,
  temp: usize,
  scale: f32,
): void {
  const panel = denseTempColumns(temp, order);
  const groupBytes = <usize>order * stride;
  const perPanel = PANEL_BYTES / stride;
  const b = panel + 16;
  for (let start: usize = 0; start < bytes; start += perPanel * groupBytes) {
    const count = min(perPanel, (bytes - start) / groupBytes);
    const from = src + start;
    // single elements are turned four groups at a time, where there are four
    const turned: usize = stride === 4 ? count & ~3 : 0;
    for (let i: usize = 0; i < turned; i += 4) {
      turnIn(from + i * groupBytes, groupBytes, panel + (i << 2), order);
    }
    for (let i = turned; i < perPanel; i++) {
      // the last panel may have fewer groups: it then repeats its last
      const group = from + min(i, count - 1) * groupBytes;
      moveColumn(group, stride, panel + i * stride, PANEL_BYTES, order, stride === 8);
    }
    signedSums(panel, b, b + 16, b + 32, order, PANEL_BYTES, temp, scale);
    pickSums(panel, b, b + 16, b + 32, order, PANEL_BYTES, table, temp);
    const to = dst + start;
    for (let i: usize = 0; i < turned; i += 4) {
      turnOut(panel + (i << 2), to + i * groupBytes, groupBytes, order);
    }
    for (let i = turned; i < count; i++) {
      const group = to + i * groupBytes;
      moveColumn(panel + i * stride, PANEL_BYTES, group, stride, order, stride === 8);
    }
  }
}

/** Four groups of `order` elements, a multiple of 4, to four columns of a panel. */
function turnIn(from: usize, groupBytes: usize, to: usize, order: u32): void {
  for (let j: u32 = 0; j < order; j += 4, from += 16, to += 4 * PANEL_BYTES) {
    const b = from + groupBytes;
    const d = b + 2 * groupBytes;
    turn(from, b, from + 2 * groupBytes, d, to, PANEL_BYTES);
  }
}

/** Four columns of a panel to four groups. */
function turnOut(from: usize, to: usize, groupBytes: usize, order: u32): void {
  for (let j: u32 = 0; j < order; j += 4, from += 4 * PANEL_BYTES, to += 16) {
    const c = from + 2 * PANEL_BYTES;
    turn(from, from + PANEL_BYTES, c, c + PANEL_BYTES, to, groupBytes);
  }
}

/** The four rows of 4 at a, b, c and d, transposed, to rows `stride` apart. */
// @ts-ignore: decorator
@inline
function turn(a: usize, b: usize, c: usize, d: usize, to: usize, stride: usize): void {
  const w = v128.load(a);
  const x = v128.load(b);
  const y = v128.load(c);
  const z = v128.load(d);
  const wxLow = v128.shuffle<i32>(w, x, 0, 4, 1, 5);
  const yzLow = v128.shuffle<i32>(y, z, 0, 4, 1, 5);
  const wxHigh = v128.shuffle<i32>(w, x, 2, 6, 3, 7);
  const yzHigh = v128.shuffle<i32>(y, z, 2, 6, 3, 7);
  const third = to + 2 * stride;
  v128.store(to, v128.shuffle<i64>(wxLow, yzLow, 0, 2));
  v128.store(to + stride, v128.shuffle<i64>(wxLow, yzLow, 1, 3));
  v128.store(third, v128.shuffle<i64>(wxHigh, yzHigh, 0, 2));
  v128.store(third + stride, v128.shuffle<i64>(wxHigh, yzHigh, 1, 3));
}

/** Copies `order` entries of one element, or of two. */
function moveColumn(
  from: usize,
  fromStride: usize,
  to: usize,
  toStride: usize,
  order: u32,
  double: bool,
): void {
  for (let j: u32 = 0; j < order; j++, from += fromStride, to += toStride) {
    if (double) store<u64>(to, load<u64>(from));
    else store<u32>(to, load<u32>(from));
  }
}

/**
 * temp[8 k + code][4 vectors] = the signed sums of the k-th four inputs of the columns at a, b, c
 * and d.
 */
function signedSums(
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  order: u32,
  stride: usize,
  temp: usize,
  scale: f32,
): void {
  const s = f32x4.splat(scale);
  let to = temp;
  let at: usize = 0;
  for (const end = temp + <usize>order * SUMS_BYTES; to < end; to += 4 * SUMS_BYTES) {
    sumsOfFour(a + at, stride, s, to);
    sumsOfFour(b + at, stride, s, to + 16);
    sumsOfFour(c + at, stride, s, to + 32);
    sumsOfFour(d + at, stride, s, to + 48);
    at += stride << 2;
  }
}

// @ts-ignore: decorator
@inline
function sumsOfFour(at: usize, stride: usize, s: v128, to: usize): void {
  const second = at + stride;
  const a = f32x4.mul(v128.load(at), s);
  const b = f32x4.mul(v128.load(second), s);
  const c = f32x4.mul(v128.load(at + 2 * stride), s);
  const d = f32x4.mul(v128.load(second + 2 * stride), s);
  const apb = f32x4.add(a, b);
  const amb = f32x4.sub(a, b);
  const cpd = f32x4.add(c, d);
  const cmd = f32x4.sub(c, d);
  v128.store(to, f32x4.add(apb, cpd));
  v128.store(to, f32x4.add(amb, cpd), 64);
  v128.store(to, f32x4.sub(apb, cmd), 128);
  v128.store(to, f32x4.sub(amb, cmd), 192);
  v128.store(to, f32x4.add(apb, cmd), 256);
  v128.store(to, f32x4.add(amb, cmd), 320);
  v128.store(to, f32x4.sub(apb, cpd), 384);
  v128.store(to, f32x4.sub(amb, cpd), 448);
}

/** Every output of the columns at a, b, c and d from the sums in temp. */
function pickSums(
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  order: u32,
  stride: usize,
  table: usize,
  temp: usize,
): void {
  let entry = table;
  const quads = <usize>order >> 2;
  for (let j: u32 = 0; j < order; j++) {
    const minus = entry + 2 + (<usize>load<u16>(entry) << 1);
    const end = entry + 2 + (quads << 1);
    entry += 2;
    let x = f32x4.splat(0);
    let y = x;
    let z = x;
    let w = x;
    for (; entry < minus; entry += 2) {
      const sum = temp + <usize>load<u16>(entry) * PANEL_BYTES;
      x = f32x4.add(x, v128.load(sum));
      y = f32x4.add(y, v128.load(sum, 16));
      z = f32x4.add(z, v128.load(sum, 32));
      w = f32x4.add(w, v128.load(sum, 48));
    }
    for (; entry < end; entry += 2) {
      const sum = temp + <usize>load<u16>(entry) * PANEL_BYTES;
      x = f32x4.sub(x, v128.load(sum));
      y = f32x4.sub(y, v128.load(sum, 16));
      z = f32x4.sub(z, v128.load(sum, 32));
      w = f32x4.sub(w, v128.load(sum, 48));
    }
    v128.store(a, x);
    v128.store(b, y);
    v128.store(c, z);
    v128.store(d, w);
    a += stride;
    b += stride;
    c += stride;
    d += stride;
  }
}
