// Activations for the integer product: codes [tokens, k] to tiles of 4 rows, less their zero
// points; the means' rows as digits.
import { DIGITS, MR, PackedRows, Segment, SEGMENT_BYTES } from './records';

/** Tiles begin … end, 16 bits a code. */
export function packRows16(at: usize, scratch: usize, begin: i32, end: i32): void {
  packRows(changetype<PackedRows>(at), begin, end, false);
}

/** Tiles begin … end, 8 bits a code, and where the accumulators start. */
export function packRows8(at: usize, scratch: usize, begin: i32, end: i32): void {
  packRows(changetype<PackedRows>(at), begin, end, true);
}

function packRows(rows: PackedRows, begin: i32, end: i32, bytes: bool): void {
  const tokenTiles = (rows.tokens + MR - 1) / MR;
  const rowBytes = <usize>((rows.k + 3) & ~3) << (bytes ? 0 : 1);
  for (let tile = begin; tile < end; tile++) {
    const tokens = tile < tokenTiles;
    const first = (tokens ? tile : tile - tokenTiles) * MR;
    const count = (tokens ? rows.tokens : rows.digitRows) - first;
    const to = rows.rows + <usize>tile * rowBytes * MR;
    for (let r = 0; r < MR; r++) {
      const out = to + (<usize>r << 2);
      const offsets = rows.offsets + (<usize>(tile * rows.segmentCount * MR + r) << 2);
      if (r >= count) packEmpty(rows, out, offsets, rowBytes, bytes);
      else if (tokens) packToken(rows, first + r, out, offsets, bytes);
      else packDigits(rows, first + r, out, offsets, bytes);
      packGroups(rows, tile, r, tokens && r < count ? first + r : -1);
      if (tokens) packTail(rows, first + r, r < count);
    }
  }
}

function packEmpty(
  rows: PackedRows, out: usize, offsets: usize, rowBytes: usize, bytes: bool,
): void {
  for (let at: usize = 0; at < rowBytes; at += 4, out += 16) i32.store(out, 0);
  if (!bytes) return;
  for (let s = 0; s < rows.segmentCount; s++, offsets += 16) i32.store(offsets, 0);
}

function packToken(rows: PackedRows, token: i32, out: usize, offsets: usize, bytes: bool): void {
  const codes = rows.codes + <usize>token * <usize>rows.k;
  const zeroPoints = rows.zeroPoint + (<usize>(token * rows.groups) << 2);
  for (let s = 0; s < rows.segmentCount; s++, offsets += 16) {
    const segment = changetype<Segment>(rows.segments + <usize>s * SEGMENT_BYTES);
    let subtract = rows.subtract;
    if (subtract < 0) subtract = <i32>f32.load(zeroPoints + (<usize>segment.activationGroup << 2));
    const count = min(segment.steps << 2, rows.k - segment.start);
    const from = codes + <usize>segment.start;
    const sum = bytes
      ? interleave8(from, out + (<usize>segment.start << 2), count, subtract)
      : interleave16(from, out + (<usize>segment.start << 3), count, subtract, true);
    if (bytes) i32.store(offsets, -rows.weightOffset * sum);
  }
}

function packDigits(rows: PackedRows, row: i32, out: usize, offsets: usize, bytes: bool): void {
  const digits = rows.digits + <usize>row * <usize>rows.k;
  for (let s = 0; s < rows.segmentCount; s++, offsets += 16) {
    const segment = changetype<Segment>(rows.segments + <usize>s * SEGMENT_BYTES);
    const count = min(segment.steps << 2, rows.k - segment.start);
    const from = digits + <usize>segment.start;
    const sum = bytes
      ? interleave8(from, out + (<usize>segment.start << 2), count, 0)
      : interleave16(from, out + (<usize>segment.start << 3), count, 0, false);
    if (bytes) i32.store(offsets, -rows.weightOffset * sum);
  }
}

/** `count` bytes less `subtract` → 16 bits, two neighbours every 16 bytes. */
@inline
function interleave16(from: usize, to: usize, count: i32, subtract: i32, unsigned: bool): i32 {
  const less = i16x8.splat(<i16>subtract);
  let i = 0;
  for (; i + 8 <= count; i += 8, from += 8, to += 64) {
    const wide = unsigned ? v128.load8x8_u(from) : v128.load8x8_s(from);
    const v = i16x8.sub(wide, less);
    v128.store32_lane(to, v, 0);
    v128.store32_lane(to, v, 1, 16);
    v128.store32_lane(to, v, 2, 32);
    v128.store32_lane(to, v, 3, 48);
  }
  for (; i < count; i += 2, from += 2, to += 16) {
    const a = (unsigned ? <i32>load<u8>(from) : <i32>load<i8>(from)) - subtract;
    const b = i + 1 < count
      ? (unsigned ? <i32>load<u8>(from, 1) : <i32>load<i8>(from, 1)) - subtract
      : 0;
    i32.store(to, (a & 0xffff) | (b << 16));
  }
  // the reduction is padded to a multiple of 4
  if (((count + 1) & 2) !== 0) i32.store(to, 0);
  return 0;
}

/** `count` bytes less `subtract`, four neighbours every 16 bytes; returns their sum. */
@inline
function interleave8(from: usize, to: usize, count: i32, subtract: i32): i32 {
  const less = i8x16.splat(<i8>subtract);
  let sums = i32x4.splat(0);
  let i = 0;
  for (; i + 16 <= count; i += 16, from += 16, to += 64) {
    const v = i8x16.sub(v128.load(from), less);
    sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v)));
    v128.store32_lane(to, v, 0);
    v128.store32_lane(to, v, 1, 16);
    v128.store32_lane(to, v, 2, 32);
    v128.store32_lane(to, v, 3, 48);
  }
  let sum = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
  sum += i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
  for (; i < count; i += 4, from += 4, to += 16) {
    for (let k = 0; k < 4; k++) {
      const value = i + k < count ? <i8>(<i32>load<u8>(from + <usize>k) - subtract) : <i8>0;
      sum += value;
      store<i8>(to + <usize>k, value);
    }
  }
  return sum;
}

/** Scales and shifts of a row by group; `token` is −1 for rows without. */
function packGroups(rows: PackedRows, tile: i32, r: i32, token: i32): void {
  const to = <usize>(tile * rows.groups * MR + r) << 2;
  for (let g = 0; g < rows.groups; g++) {
    const at = to + (<usize>g << 4);
    const from = <usize>(token * rows.groups + g) << 2;
    if (rows.groupScale !== 0) {
      f32.store(rows.groupScale + at, token < 0 ? 1 : f32.load(rows.scale + from));
    }
    if (rows.groupShift !== 0) {
      const zeroPoint = token < 0 ? <f32>rows.subtract : f32.load(rows.zeroPoint + from);
      f32.store(rows.groupShift + at, zeroPoint - <f32>rows.subtract);
    }
  }
}

/** What the epilogue needs of a token; it reads whole tiles, so of a row without one too. */
function packTail(rows: PackedRows, token: i32, there: bool): void {
  const at = <usize>token << 2;
  if (!there) {
    i32.store(rows.sampleOf + at, 0);
    f32.store(rows.tokenScale + at, 0);
    return;
  }
  i32.store(rows.sampleOf + at, token / rows.tokensPerSample);
  if (rows.groupScale !== 0) {
    f32.store(rows.tokenScale + at, 1);
    return;
  }
  f32.store(rows.tokenScale + at, f32.load(rows.scale + at));
}

/**
 * Rows of floats [samples, k] as three signed digits of base 256 each, 24 bits below the row's
 * largest: residual = scale · (65536 a + 256 b + c).
 */
export function residualDigits(
  residual: usize, k: i32, digits: usize, scales: usize, scratch: usize, begin: i32, end: i32,
): void {
  for (let s = begin; s < end; s++) {
    const from = residual + (<usize>(s * k) << 2);
    let top: f32 = 0;
    for (let i = 0; i < k; i++) {
      // the maximum that keeps a NaN: it must reach the scale
      top = max(top, abs(f32.load(from + (<usize>i << 2))));
    }
    // 127 · 65536; below 1e-30 the inverse would overflow, and the row is as good as 0
    const tiny = top < 1e-30;
    f32.store(scales + (<usize>s << 2), tiny ? 0 : top / 8323072);
    const inverse: f32 = tiny ? 0 : 8323072 / top;
    const high = digits + <usize>(DIGITS * s) * <usize>k;
    const middle = high + <usize>k;
    const low = middle + <usize>k;
    for (let i = 0; i < k; i++) {
      const v = <i32>nearest(f32.load(from + (<usize>i << 2)) * inverse);
      const c = <i32>(<i8>v);
      const b = <i32>(<i8>((v - c) >> 8));
      store<i8>(low + <usize>i, <i8>c);
      store<i8>(middle + <usize>i, <i8>b);
      store<i8>(high + <usize>i, <i8>((((v - c) >> 8) - b) >> 8));
    }
  }
}

/** What goes along, f32 [tokens, rank] → TileAlong[tiles], tiles begin … end. */
export function packAlong(
  along: usize, tokens: i32, rank: i32, to: usize, scratch: usize, begin: i32, end: i32,
): void {
  const bytes = <usize>rank << 2;
  for (let tile = begin; tile < end; tile++) {
    const first = tile * MR;
    let out = to + (<usize>(first * rank) << 2);
    let r: usize = 0;
    if (first + MR <= tokens) {
      for (; r + 16 <= bytes; r += 16, out += 64) {
        turnFour(along + <usize>first * bytes + r, bytes, out);
      }
    }
    for (; r < bytes; r += 4, out += 16) {
      const from = along + <usize>first * bytes + r;
      for (let i = 0; i < MR; i++) {
        const value: f32 = first + i < tokens ? f32.load(from + <usize>i * bytes) : 0;
        f32.store(out + (<usize>i << 2), value);
      }
    }
  }
}

/** Four elements of four rows, turned. */
// @ts-ignore: decorator
@inline
function turnFour(from: usize, stride: usize, to: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + stride);
  const c = v128.load(from + (stride << 1));
  const d = v128.load(from + stride * 3);
  const abLow = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cdLow = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const cdHigh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(abLow, cdLow, 0, 2));
  v128.store(to, v128.shuffle<i64>(abLow, cdLow, 1, 3), 16);
  v128.store(to, v128.shuffle<i64>(abHigh, cdHigh, 0, 2), 32);
  v128.store(to, v128.shuffle<i64>(abHigh, cdHigh, 1, 3), 48);
}

/** Codes of 32 bits to bytes, `begin` … `end` of them. */
export function narrowCodes(from: usize, to: usize, scratch: usize, begin: i32, end: i32): void {
  for (let i = <usize>begin; i < <usize>end; i++) store<u8>(to + i, <u8>i32.load(from + (i << 2)));
}

/** scale · (code − zeroPoint), tokens `begin` … `end`. */
export function dequantizeRows(
  codes: usize, scale: usize, zeroPoint: usize, k: i32, groupSize: i32, out: usize,
  scratch: usize, begin: i32, end: i32,
): void {
  const groups = (k + groupSize - 1) / groupSize;
  for (let token = begin; token < end; token++) {
    let from = codes + <usize>token * <usize>k;
    let to = out + (<usize>(token * k) << 2);
    let at = <usize>(token * groups) << 2;
    for (let start = 0; start < k; start += groupSize, at += 4) {
      const s = f32.load(scale + at);
      const z = f32.load(zeroPoint + at);
      for (let i = min(groupSize, k - start); i > 0; i--, from++, to += 4) {
        f32.store(to, s * (<f32>load<u8>(from) - z));
      }
    }
  }
}
