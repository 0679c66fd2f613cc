// y = x H: rows of a Hadamard transform, float32, in L1.
//
// A plan (written by ops/hadamardTransform/wasmPlan.ts) is
//   f32 scale, 1/√blockSize
//   i32 order of the Sylvester factor, 1 for none; it is the last factor, along neighbouring elements
//   i32 number of dense factors
//   per dense factor: i32 order, i32 stride (elements between two entries that it mixes), i32 offset of its table from
//   the plan's start (bytes)
// A table has order × order / 4 entries u16: for output j and inputs 4k … 4k + 3, 16 k + the signs of the four (bit i set:
// minus), in units of vectors.

const HEADER_BYTES: usize = 12;
const FACTOR_BYTES: usize = 12;

/** items: rows of `length` elements, whole blocks; the last may be shorter, `size` elements in all. */
export function hadamardTransform(
  src: usize,
  dst: usize,
  size: i32,
  length: i32,
  plan: usize,
  scratch: usize,
  begin: i32,
  end: i32,
): void {
  for (let row = begin; row < end; row++) {
    const start = row * length;
    const offset = <usize>start << 2;
    hadamardRow(src + offset, dst + offset, scratch, min(length, size - start), plan);
  }
}

/**
 * dst = src (I ⊗ H), one row of `length` elements, a multiple of the plan's block size; for other kernels to import.
 * dst may be src. `temp`: the plan's tempBytes; it is not touched (and may be 0) where the block is a power of two.
 * Every element is multiplied by 1/√blockSize first, so that large sums do not overflow.
 */
export function hadamardRow(
  src: usize,
  dst: usize,
  temp: usize,
  length: i32,
  plan: usize,
): void {
  const bytes = <usize>length << 2;
  scaleRow(src, dst, bytes, load<f32>(plan));
  let factor = plan + HEADER_BYTES;
  for (let f = load<i32>(plan, 8); f > 0; f--) {
    const table = plan + <usize>load<u32>(factor, 8);
    denseFactor(dst, bytes, load<u32>(factor), <usize>load<u32>(factor, 4) << 2, table, temp);
    factor += FACTOR_BYTES;
  }
  sylvester(dst, bytes, <usize>load<u32>(plan, 4) << 2);
}

function scaleRow(src: usize, dst: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(dst + at, f32x4.mul(v128.load(src + at), s));
  for (; at < bytes; at += 4) store<f32>(dst + at, load<f32>(src + at) * scale);
}

/** Butterflies over blocks of `blockBytes`, a power of two. */
function sylvester(row: usize, bytes: usize, blockBytes: usize): void {
  if (blockBytes === 4) return;
  if (blockBytes === 8) return pairs(row, bytes);
  withinVectors(row, bytes);
  let span: usize = 16;
  while (span * 4 <= blockBytes) {
    for (let start: usize = 0; start < bytes; start += span << 2) {
      for (let at = row + start, end = at + span; at < end; at += 16) {
        const a = v128.load(at);
        const b = v128.load(at + span);
        const c = v128.load(at + 2 * span);
        const d = v128.load(at + 3 * span);
        const ab = f32x4.add(a, b);
        const cd = f32x4.add(c, d);
        const amb = f32x4.sub(a, b);
        const cmd = f32x4.sub(c, d);
        v128.store(at, f32x4.add(ab, cd));
        v128.store(at + span, f32x4.add(amb, cmd));
        v128.store(at + 2 * span, f32x4.sub(ab, cd));
        v128.store(at + 3 * span, f32x4.sub(amb, cmd));
      }
    }
    span <<= 2;
  }
  if (span === blockBytes) return;
  for (let start: usize = 0; start < bytes; start += span << 1) {
    for (let at = row + start, end = at + span; at < end; at += 16) {
      const a = v128.load(at);
      const b = v128.load(at + span);
      v128.store(at, f32x4.add(a, b));
      v128.store(at + span, f32x4.sub(a, b));
    }
  }
}

/** Blocks of two. */
function pairs(row: usize, bytes: usize): void {
  for (let at = row, end = row + bytes; at < end; at += 8) {
    const a = load<f32>(at);
    const b = load<f32>(at, 4);
    store<f32>(at, a + b);
    store<f32>(at, a - b, 4);
  }
}

/** Blocks of four, each one vector. */
function withinVectors(row: usize, bytes: usize): void {
  const odd = i32x4(0, i32.MIN_VALUE, 0, i32.MIN_VALUE);
  const high = i32x4(0, 0, i32.MIN_VALUE, i32.MIN_VALUE);
  for (let at = row, end = row + bytes; at < end; at += 16) {
    let v = v128.load(at);
    v = f32x4.add(v128.xor(v, odd), v128.shuffle<f32>(v, v, 1, 0, 3, 2));
    v = f32x4.add(v128.xor(v, high), v128.shuffle<f32>(v, v, 2, 3, 0, 1));
    v128.store(at, v);
  }
}

/**
 * A dense ±1 factor. Four inputs have only 16 signed sums; every output picks one of them per four inputs (the "four
 * Russians" method): a quarter of the additions of the plain product.
 */
function denseFactor(
  row: usize,
  bytes: usize,
  order: u32,
  strideBytes: usize,
  table: usize,
  temp: usize,
): void {
  const groupBytes = <usize>order * strideBytes;
  // lanes run along the stride: 4, or 2 or 1 where it is shorter
  const step = min(strideBytes, 16);
  for (let start: usize = 0; start < bytes; start += groupBytes) {
    for (let at: usize = 0; at < strideBytes; at += step) {
      const column = row + start + at;
      signedSums(column, order, strideBytes, step, temp);
      pickSums(column, order, strideBytes, step, table, temp);
    }
  }
}

/** temp[16 k + code] = ±a ± b ± c ± d of the k-th four inputs; bit i of code set: the i-th has a minus. */
function signedSums(
  column: usize,
  order: u32,
  strideBytes: usize,
  step: usize,
  temp: usize,
): void {
  let at = column;
  for (let to = temp, end = temp + (<usize>order << 6); to < end; to += 256) {
    const a = loadLanes(at, step);
    const b = loadLanes(at + strideBytes, step);
    const c = loadLanes(at + 2 * strideBytes, step);
    const d = loadLanes(at + 3 * strideBytes, step);
    at += 4 * strideBytes;
    const apb = f32x4.add(a, b);
    const amb = f32x4.sub(a, b);
    const cpd = f32x4.add(c, d);
    const cmd = f32x4.sub(c, d);
    storeBoth(to, 0, f32x4.add(apb, cpd));
    storeBoth(to, 1, f32x4.sub(cpd, amb));
    storeBoth(to, 2, f32x4.add(amb, cpd));
    storeBoth(to, 3, f32x4.sub(cpd, apb));
    storeBoth(to, 4, f32x4.sub(apb, cmd));
    storeBoth(to, 5, f32x4.neg(f32x4.add(amb, cmd)));
    storeBoth(to, 6, f32x4.sub(amb, cmd));
    storeBoth(to, 7, f32x4.neg(f32x4.add(apb, cmd)));
  }
}

/** One signed sum, and its negative at the opposite code. */
function storeBoth(to: usize, code: usize, sum: v128): void {
  v128.store(to + (code << 4), sum);
  v128.store(to + ((15 - code) << 4), f32x4.neg(sum));
}

function pickSums(
  column: usize,
  order: u32,
  strideBytes: usize,
  step: usize,
  table: usize,
  temp: usize,
): void {
  let at = column;
  let entry = table;
  for (let j: u32 = 0; j < order; j++) {
    let sum = f32x4.splat(0);
    for (const end = entry + <usize>(order >> 1); entry < end; entry += 2) {
      sum = f32x4.add(sum, v128.load(temp + (<usize>load<u16>(entry) << 4)));
    }
    storeLanes(at, step, sum);
    at += strideBytes;
  }
}

// @ts-ignore: decorator
@inline
function loadLanes(at: usize, step: usize): v128 {
  if (step === 16) return v128.load(at);
  return step === 8 ? v128.load64_zero(at) : v128.load32_zero(at);
}

// @ts-ignore: decorator
@inline
function storeLanes(at: usize, step: usize, v: v128): void {
  if (step === 16) v128.store(at, v);
  else if (step === 8) v128.store64_lane(at, v, 0);
  else v128.store32_lane(at, v, 0);
}
