// Functions of four floats at a time. Polynomials, no tables: the module has no data segment.

const LOG2E: f32 = 1.4426950408889634;
// ln 2 in two parts: x − n·ln 2 keeps its low bits (Cephes, expf)
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;

/** a · b + c, rounded once in the module that may. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(c, f32x4.mul(a, b));
}

/** e^x for x ≤ 0, within 2 ulp; 0 below −86.5, NaN for NaN. A third less work than `exp4`. */
// @ts-ignore: decorator
@inline
export function expNegative4(x: v128): v128 {
  const least = f32x4.splat(-86.5);
  // a < b ? b : a keeps NaN
  const bounded = f32x4.pmax(x, least);
  // adding 1.5 · 2^23 rounds to an integer, which then is in the low bits
  const magic = f32x4.splat(12582912);
  const shifted = madd(bounded, f32x4.splat(LOG2E), magic);
  const n = f32x4.sub(shifted, magic);
  let r = madd(n, f32x4.splat(-LN2_HIGH), bounded);
  r = madd(n, f32x4.splat(-LN2_LOW), r);
  let p = f32x4.splat(1.9875691500e-4);
  p = madd(p, r, f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  p = madd(p, f32x4.mul(r, r), f32x4.add(r, f32x4.splat(1)));
  const power = i32x4.add(i32x4.shl(shifted, 23), i32x4.splat(0x3f800000));
  return v128.andnot(f32x4.mul(p, power), f32x4.lt(x, least));
}

/**
 * erf(x), within 5e-7; NaN for NaN. After Eigen's rational approximation, generic_fast_erf_float
 * (MPL 2.0, formula only).
 */
// @ts-ignore: decorator
@inline
export function erf4(value: v128): v128 {
  const x = f32x4.pmin(f32x4.pmax(value, f32x4.splat(-4)), f32x4.splat(4));
  const s = f32x4.mul(x, x);
  let p = f32x4.splat(-2.72614225801306e-10);
  p = madd(p, s, f32x4.splat(2.77068142495902e-8));
  p = madd(p, s, f32x4.splat(-2.10102402082508e-6));
  p = madd(p, s, f32x4.splat(-5.69250639462346e-5));
  p = madd(p, s, f32x4.splat(-7.34990630326855e-4));
  p = madd(p, s, f32x4.splat(-2.95459980854025e-3));
  p = madd(p, s, f32x4.splat(-1.60960333262415e-2));
  let q = f32x4.splat(-1.45660718464996e-5);
  q = madd(q, s, f32x4.splat(-2.13374055278905e-4));
  q = madd(q, s, f32x4.splat(-1.68282697438203e-3));
  q = madd(q, s, f32x4.splat(-7.37332916720468e-3));
  q = madd(q, s, f32x4.splat(-1.42647390514189e-2));
  return f32x4.div(f32x4.mul(x, p), q);
}

/** x / (1 + e^−t), by an exponential that cannot overflow. */
// @ts-ignore: decorator
@inline
function timesSigmoid(x: v128, t: v128): v128 {
  const sign = i32x4.splat(i32.MIN_VALUE);
  const e = expNegative4(v128.or(t, sign));
  const one = f32x4.splat(1);
  // 1 for t ≥ 0, e^t below; the sign bit of t chooses
  const top = v128.bitselect(e, one, i32x4.shr_s(t, 31));
  return f32x4.div(f32x4.mul(x, top), f32x4.add(one, e));
}

/** x / (1 + e^−x), within 2.4e-7 of its own magnitude; 0 below −86.5. */
// @ts-ignore: decorator
@inline
export function silu4(x: v128): v128 {
  return timesSigmoid(x, x);
}

/** x Φ(x), within 2.7e-7 |x|; 0 far below 0 and x far above. */
// @ts-ignore: decorator
@inline
export function gelu4(x: v128): v128 {
  const half = f32x4.mul(x, f32x4.splat(0.5));
  return madd(half, erf4(f32x4.mul(x, f32x4.splat(0.7071067811865476))), half);
}

/** ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) = x / (1 + e^(−2 …)), within 1.2e-7 |x|. */
// @ts-ignore: decorator
@inline
export function geluTanh4(x: v128): v128 {
  const linear = f32x4.splat(1.5957691216057308);
  const inside = madd(f32x4.mul(x, x), f32x4.splat(0.044715 * 1.5957691216057308), linear);
  return timesSigmoid(x, f32x4.mul(x, inside));
}
