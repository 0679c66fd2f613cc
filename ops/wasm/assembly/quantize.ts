// HadaNormQuantize: a row is centered, scaled, rotated and quantized in L1; x is read twice in all,
// once for the means.
import { hadamardRow } from './hadamard';
import { QuantizedRows, Quantizer, ROW_SCRATCH_ROW, rowScratchTemp } from './records';
import { centerRow, encodeGroup, hasNaN, quantizerFor, rangeOf } from './rows';

/** Tokens begin … end. Scratch: a RowScratch. */
export function hadaNormQuantize(at: usize, scratch: usize, begin: i32, end: i32): void {
  const rows = changetype<QuantizedRows>(at);
  const d = rows.d;
  const q = changetype<Quantizer>(scratch);
  const row = scratch + ROW_SCRATCH_ROW;
  const temp = rowScratchTemp(scratch, d);
  const groups = (d + rows.groupSize - 1) / rows.groupSize;
  for (let token = begin; token < end; token++) {
    let from = rows.x + (<usize>(token * d) << 2);
    if (rows.means !== 0 || rows.scale !== 0) {
      const sample = <usize>(token / rows.tokens * rows.meanStride) << 2;
      centerRow(from, row, rows.means === 0 ? 0 : rows.means + sample, rows.scale, d);
      from = row;
    }
    if (rows.plan !== 0) {
      hadamardRow(from, row, temp, d, rows.plan);
      from = row;
    }
    quantizeRow(rows, q, from, token, groups);
  }
}

/** Codes of a row that is centered, scaled and rotated, their scales and zero points. */
export function quantizeRow(
  rows: QuantizedRows, q: Quantizer, row: usize, token: i32, groups: i32,
): void {
  const d = rows.d;
  const out = <usize>(token * groups) << 2;
  let codes = rows.codes + <usize>(token * d);
  for (let g = 0, start = 0; g < groups; g++, start += rows.groupSize) {
    const count = min(rows.groupSize, d - start);
    const from = row + (<usize>start << 2);
    if (rows.isStatic) {
      q.low = hasNaN(from, count) ? NaN : rows.min;
      q.high = rows.max;
    } else {
      rangeOf(from, count, q);
    }
    quantizerFor(q, rows.qMin, rows.qMax, rows.symmetric !== 0);
    const spoilt = q.scale !== q.scale;
    const origin = spoilt ? 0 : <i32>q.zeroPoint + rows.offset;
    f32.store(rows.scales + out + (<usize>g << 2), q.scale);
    f32.store(rows.zeroPoints + out + (<usize>g << 2), <f32>origin);
    if (spoilt) memory.fill(codes, 0, count);
    else encodeGroup(from, codes, count, q, origin);
    codes += count;
  }
}

/**
 * off = (means − mean) / scale; coefficients = off Bᵀ; residual = (off − coefficients B) H, for
 * samples begin … end. means: [samples, d]; mean, scale: [d] or 0; basis: [rank, d]; plan: or 0.
 * Scratch: what the plan wants.
 */
export function meanParts(
  means: usize, mean: usize, scale: usize, basis: usize, rank: i32, plan: usize, d: i32,
  residual: usize, coefficients: usize, scratch: usize, begin: i32, end: i32,
): void {
  const bytes = <usize>d << 2;
  for (let sample = begin; sample < end; sample++) {
    const row = residual + <usize>sample * bytes;
    const c = coefficients + (<usize>(sample * rank) << 2);
    centerRow(means + <usize>sample * bytes, row, mean, scale, d);
    for (let r = 0; r < rank; r++) {
      f32.store(c + (<usize>r << 2), dot(row, basis + <usize>r * bytes, d));
    }
    for (let r = 0; r < rank; r++) {
      subtract(row, basis + <usize>r * bytes, f32.load(c + (<usize>r << 2)), d);
    }
    if (plan !== 0) hadamardRow(row, row, scratch, d, plan);
  }
}

function dot(a: usize, b: usize, d: i32): f32 {
  let x = f32x4.splat(0), y = x;
  let i = 0;
  for (; i + 8 <= d; i += 8, a += 32, b += 32) {
    x = f32x4.add(x, f32x4.mul(v128.load(a), v128.load(b)));
    y = f32x4.add(y, f32x4.mul(v128.load(a, 16), v128.load(b, 16)));
  }
  x = f32x4.add(x, y);
  let sum = f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1);
  sum += f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3);
  for (; i < d; i++, a += 4, b += 4) sum += f32.load(a) * f32.load(b);
  return sum;
}

function subtract(row: usize, direction: usize, c: f32, d: i32): void {
  const by = f32x4.splat(c);
  let i = 0;
  for (; i + 4 <= d; i += 4, row += 16, direction += 16) {
    v128.store(row, f32x4.sub(v128.load(row), f32x4.mul(by, v128.load(direction))));
  }
  for (; i < d; i++, row += 4, direction += 4) {
    f32.store(row, f32.load(row) - c * f32.load(direction));
  }
}
