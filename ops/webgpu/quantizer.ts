import { codeRange, hasZeroPoint, type UniformFormat } from '../numerics/formats.js';
import { MAX_VALUE, MIN_SCALE } from '../numerics/quantization.js';
import { FINITE_WGSL, INTEGERS, QUOTIENT_WGSL, wgslFloat } from './wgsl.js';

/**
 * WGSL: `fn parametersOf(lo: f32, hi: f32) -> vec2<f32>` → (scale, zero point) of a range that
 * holds 0, in the float32 steps of `quantizationParameters`;
 * `fn boundsOf(scale: f32, zero: f32) -> vec2<f32>`, the least and the largest code less its zero
 * point, those where scale times it is finite; and
 * `fn offsetOf(x: f32, ratio: f32, scale: f32, bounds: vec2<f32>) -> f32`, the code less its zero
 * point, nearest, ties to even, and `INTEGERS` more. NaN is the caller's.
 *
 * `ratio` is x / scale as the device gives it, or x times what 1 / scale is rounded to. That does
 * unless it is next to a tie, a few units in the last place of 2^bits off at most: what is farther
 * from 0 is clamped.
 */
export function quantizerWgsl(format: UniformFormat): string {
  const { qMin, qMax } = codeRange(format);
  const max = wgslFloat(qMax);
  const least = wgslFloat(MIN_SCALE);
  const symmetric = !hasZeroPoint(format);
  const step = symmetric
    ? `quotient(max(-lo, hi), ${max})`
    : `quotient(hi, ${max}) - quotient(lo, ${max})`;
  const zero = `round(quotient(-lower, span) * ${max})`;
  // so near to a tie a quotient of 2^bits may be wrong by its error
  const near = wgslFloat(2 ** (format.bits - 8) * 1e-4);
  const large = wgslFloat(MAX_VALUE / 2 ** 17);
  return `${FINITE_WGSL}${QUOTIENT_WGSL}
fn parametersOf(lo: f32, hi: f32) -> vec2<f32> {
  let scale = max(${step}, ${least});
  // not by 0.5 * hi - 0.5 * lo: some compilers make that 0.5 * (hi - lo), which overflows
  let upper = quotient(hi, 2f);
  let lower = quotient(lo, 2f);
  let span = max(upper - lower, ${least});
  return vec2<f32>(scale, ${symmetric ? '0f' : zero});
}
fn boundsOf(scale: f32, zero: f32) -> vec2<f32> {
  let bounds = vec2<f32>(${wgslFloat(qMin)} - zero, ${wgslFloat(qMax)} - zero);
  if (scale <= ${large}) { return bounds; }
  let limit = floor(quotient(${wgslFloat(MAX_VALUE)}, scale));
  return clamp(bounds, vec2<f32>(-limit), vec2<f32>(limit));
}
fn offsetOf(x: f32, ratio: f32, scale: f32, bounds: vec2<f32>) -> f32 {
  var q = ratio;
  // devices that multiply by 1 / scale have that as 0 here
  if (scale > ${large}) { q = quotient(x, scale); }
  q = min(max(q, bounds.x), bounds.y);
  let shifted = hidden(q + ${wgslFloat(INTEGERS)});
  let nearest = shifted - ${wgslFloat(INTEGERS)};
  if (abs(abs(q - nearest) - 0.5f) >= ${near}) { return shifted; }
  return min(max(round(quotient(x, scale)), bounds.x), bounds.y) + ${wgslFloat(INTEGERS)};
}`;
}
