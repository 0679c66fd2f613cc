import { codeRange, hasZeroPoint, type UniformFormat } from '../numerics/formats.js';
import { MAX_VALUE, MIN_SCALE } from '../numerics/quantization.js';
import { glslFloat } from './glsl.js';

/** How codes come from ranges. */
export interface QuantizerShape {
  readonly format: UniformFormat;
  /** Whether textures are float16: then scales are rounded to it before codes are made by them. */
  readonly half: boolean;
}

/**
 * GLSL: `vec4 parametersOf(vec2 lo, vec2 hi)` → (scale, zero point) of two groups, in the float32
 * steps of `quantizationParameters`; NaN ranges are the caller's. Needs QUOTIENT_GLSL.
 *
 * A float16 scale is rounded up, so that the range still holds all values, and is no smaller than
 * the least above 0: codes made by it are right within half a step, or within half's precision.
 */
export function parametersGlsl({ format, half }: QuantizerShape): string {
  const max = glslFloat(codeRange(format).qMax);
  const symmetric = !hasZeroPoint(format);
  const step = symmetric
    ? `vec2 s = quotient(vec4(max(-lo, hi), 0., 0.), vec4(${max})).xy;`
    : `vec4 ends = quotient(vec4(lo, hi), vec4(${max}));
      vec2 s = ends.zw - ends.xy;`;
  const zero = `roundEven(quotient(vec4(-halves.xy, 0., 0.), vec4(span, 1., 1.)).xy * ${max})`;
  return `
    ${half ? HALF_GLSL : ''}
    vec4 parametersOf(vec2 lo, vec2 hi) {
      lo = min(lo, 0.);
      hi = max(hi, 0.);
      ${step}
      s = max(s, vec2(${glslFloat(MIN_SCALE)}));
      ${half ? 's = roundedUp(s);' : ''}
      // not by 0.5 * hi - 0.5 * lo: some compilers make that 0.5 * (hi - lo), which overflows
      vec4 halves = quotient(vec4(lo, hi), vec4(2.));
      vec2 span = max(halves.zw - halves.xy, vec2(${glslFloat(MIN_SCALE)}));
      vec2 zero = ${symmetric ? 'vec2(0.)' : zero};
      return vec4(s.x, zero.x, s.y, zero.y);
    }`;
}

/** The next float16 number that is no smaller, for positive ones. */
const HALF_GLSL = `
    vec2 roundedUp(vec2 s) {
      uint bits = packHalf2x16(s);
      vec2 nearest = unpackHalf2x16(bits);
      return unpackHalf2x16(bits + (nearest.x < s.x ? 1u : 0u) + (nearest.y < s.y ? 65536u : 0u));
    }`;

/**
 * GLSL: `vec4 offsetsOf(vec4 x, vec4 s, vec4 zero)`, codes less their zero points: nearest, ties to
 * even, and where scale times it is finite. Needs QUOTIENT_GLSL. For codes of at most 8 bits.
 *
 * The device's quotient does unless it is next to a tie, a few units in the last place of 255 off
 * at most: what is farther from 0 is clamped. That and the limits are rare, most of the work where
 * they are, and loops, since there are devices (SwiftShader) that compute both sides of every `if`,
 * but leave a loop that no invocation is in.
 */
export function offsetsGlsl({ format }: QuantizerShape): string {
  const { qMin, qMax } = codeRange(format);
  return `
    vec4 offsetsOf(vec4 x, vec4 s, vec4 zero) {
      vec4 low = ${glslFloat(qMin)} - zero;
      vec4 high = ${glslFloat(qMax)} - zero;
      bool huge = any(greaterThan(s, vec4(${glslFloat(MAX_VALUE / 1024)})));
      for (; huge; huge = false) {
        vec4 limit = floor(quotient(vec4(${glslFloat(MAX_VALUE)}), s));
        low = max(low, -limit);
        high = min(high, limit);
      }
      vec4 q = x / s;
      vec4 nearest = roundEven(q);
      bool tie = any(lessThan(abs(abs(q - nearest) - .5), vec4(1e-4)));
      for (; tie; tie = false) nearest = roundEven(quotient(x, s));
      return clamp(nearest, low, high);
    }`;
}
