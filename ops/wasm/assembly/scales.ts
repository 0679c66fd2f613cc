// Scales of weights: the search of src/quantize/scaleSearch.ts, to the bit, four columns at a time.
// A module of its own, with a small memory of its own: it runs beside any backend.

/** x + MAGIC − MAGIC is x rounded half to even. */
const MAGIC: f64 = 6755399441055744;
const MIN_NORMAL_HALF: f64 = 6.103515625e-5;
const MAX_HALF: f64 = 65504;

/** Bytes of a row of four numbers in the scratch. */
const ROW: usize = 32;

/**
 * scales[j] = the scale with the least squared error of column j, for values [rows, n], n ≥ 4:
 * of extreme · factor / end over the factors, for the ends qMin and qMax, and what least squares
 * makes of the best of them. Scratch: rows · 32 bytes.
 */
export function searchScales(
  values: usize, rows: i32, n: i32, scales: usize, factors: usize, count: i32, qMin: f64, qMax: f64,
  scratch: usize,
): void {
  for (let column = 0; column < n; column += 4) {
    // the last four, some of them again
    const first = <usize>min(column, n - 4);
    const extreme = takeColumns(values + (first << 2), rows, <usize>n << 2, scratch);
    const low = f64x2.promote_low_f32x4(extreme);
    const front = searchPair(low, rows, factors, count, qMin, qMax, scratch);
    const high = promoteHigh(extreme);
    const back = searchPair(high, rows, factors, count, qMin, qMax, scratch + 16);
    const both = i8x16.shuffle(
      f32x4.demote_f64x2_zero(front), f32x4.demote_f64x2_zero(back),
      0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23,
    );
    v128.store(scales + (first << 2), both);
  }
}

/** Four columns into the scratch, as float64; of each what is largest in magnitude, the first. */
function takeColumns(from: usize, rows: i32, stride: usize, scratch: usize): v128 {
  let extreme = f32x4.splat(0);
  for (let r = 0; r < rows; r++) {
    const row = v128.load(from);
    const further = f32x4.gt(f32x4.abs(row), f32x4.abs(extreme));
    extreme = v128.bitselect(row, extreme, further);
    v128.store(scratch, f64x2.promote_low_f32x4(row));
    v128.store(scratch + 16, promoteHigh(row));
    from += stride;
    scratch += ROW;
  }
  return extreme;
}

// @ts-ignore: decorator
@inline
function promoteHigh(row: v128): v128 {
  const high = i8x16.shuffle(row, row, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0);
  return f64x2.promote_low_f32x4(high);
}

/** The scales of two columns. */
function searchPair(
  extreme: v128, rows: i32, factors: usize, count: i32, qMin: f64, qMax: f64, values: usize,
): v128 {
  const least = f64x2.splat(qMin);
  const most = f64x2.splat(qMax);
  let best = storable(f64x2.div(f64x2.abs(extreme), most));
  let lowest = f64x2.splat(Infinity);
  for (let i = 0; i < count; i++) {
    const clipped = f64x2.mul(extreme, v128.load64_splat(factors + (<usize>i << 3)));
    for (let end = 0; end < 2; end++) {
      const scale = storable(f64x2.div(clipped, end ? most : least));
      const error = errorOf(values, rows, scale, lowest, least, most);
      const better = f64x2.lt(error, lowest);
      lowest = v128.bitselect(error, lowest, better);
      best = v128.bitselect(scale, best, better);
    }
  }
  const refined = storable(leastSquares(values, rows, best, least, most));
  const error = errorOf(values, rows, refined, lowest, least, most);
  best = v128.bitselect(refined, best, f64x2.lt(error, lowest));
  // where all is 0 the scale is 1
  return v128.bitselect(f64x2.splat(1), best, f64x2.eq(extreme, f64x2.splat(0)));
}

/** A scale as files store it: half where that is normal, else float32; never 0. */
function storable(scale: v128): v128 {
  const magnitude = f64x2.abs(scale);
  const half = v128.and(
    f64x2.ge(magnitude, f64x2.splat(MIN_NORMAL_HALF)), f64x2.le(magnitude, f64x2.splat(MAX_HALF)),
  );
  // halves are 2^(exponent − 10) apart
  const exponent = v128.and(magnitude, i64x2.splat(0x7ff0000000000000));
  const step = i64x2.sub(exponent, i64x2.splat(10 << 52));
  const magic = f64x2.mul(step, f64x2.splat(MAGIC));
  const rounded = f64x2.sub(f64x2.add(magnitude, magic), magic);
  const sign = v128.and(scale, i64x2.splat(i64.MIN_VALUE));
  const single = f64x2.promote_low_f32x4(f32x4.demote_f64x2_zero(scale));
  const stored = v128.bitselect(v128.or(rounded, sign), single, half);
  return v128.bitselect(f64x2.splat(1), stored, f64x2.eq(stored, f64x2.splat(0)));
}

/** Σ (v − scale · code)², or what is known to be no less than `enough`. */
// @ts-ignore: decorator
@inline
function errorOf(
  values: usize, rows: i32, scale: v128, enough: v128, least: v128, most: v128,
): v128 {
  const inverse = f64x2.div(f64x2.splat(1), scale);
  let sum = f64x2.splat(0);
  let r = 0;
  for (; r + 4 <= rows; r += 4) {
    if (!v128.any_true(f64x2.lt(sum, enough))) return sum;
    const a = squareOff(v128.load(values), scale, inverse, least, most);
    const b = squareOff(v128.load(values, 32), scale, inverse, least, most);
    const c = squareOff(v128.load(values, 64), scale, inverse, least, most);
    const d = squareOff(v128.load(values, 96), scale, inverse, least, most);
    sum = f64x2.add(sum, f64x2.add(f64x2.add(a, b), f64x2.add(c, d)));
    values += 4 * ROW;
  }
  for (; r < rows; r++) {
    sum = f64x2.add(sum, squareOff(v128.load(values), scale, inverse, least, most));
    values += ROW;
  }
  return sum;
}

// @ts-ignore: decorator
@inline
function squareOff(value: v128, scale: v128, inverse: v128, least: v128, most: v128): v128 {
  const magic = f64x2.splat(MAGIC);
  let q = f64x2.sub(f64x2.add(f64x2.mul(value, inverse), magic), magic);
  // a < b ? b : a keeps NaN
  q = f64x2.pmin(f64x2.pmax(q, least), most);
  const off = f64x2.sub(value, f64x2.mul(scale, q));
  return f64x2.mul(off, off);
}

/** Σ v q / Σ q² over the codes q of a scale; the scale where all of them are 0. */
function leastSquares(values: usize, rows: i32, scale: v128, least: v128, most: v128): v128 {
  const magic = f64x2.splat(MAGIC);
  let along = f64x2.splat(0);
  let squares = f64x2.splat(0);
  for (let r = 0; r < rows; r++) {
    const value = v128.load(values);
    const bounded = f64x2.pmin(f64x2.pmax(f64x2.div(value, scale), least), most);
    const q = f64x2.sub(f64x2.add(bounded, magic), magic);
    along = f64x2.add(along, f64x2.mul(value, q));
    squares = f64x2.add(squares, f64x2.mul(q, q));
    values += ROW;
  }
  return v128.bitselect(scale, f64x2.div(along, squares), f64x2.eq(squares, f64x2.splat(0)));
}
