/** Pieces of GLSL ES 3.00 that several shaders share. */

/** A float32 number as a literal. */
export function glslFloat(value: number): string {
  // nine digits tell any two float32 numbers apart; with an exponent or a point it is no integer
  const digits = Math.fround(value).toPrecision(9);
  return /[.e]/.test(digits) ? digits : `${digits}.`;
}

/**
 * `bvec4 isFinite4(vec4)` by the bits: what isnan, isinf and comparisons say of NaN and Inf is up
 * to the driver, and `v - v` may be folded to 0.
 */
export const FINITE_GLSL = `
    uvec4 magnitudeBits(vec4 v) {
      return floatBitsToUint(v) & 0x7fffffffu;
    }
    bvec4 isFinite4(vec4 v) {
      return lessThan(magnitudeBits(v), uvec4(0x7f800000u));
    }`;

/**
 * `vec4 quotient(vec4 a, vec4 b)`: a / b as IEEE 754 rounds it, where the device's own division may
 * be 2.5 units in the last place off, so that codes are those of the other backends. Needs
 * FINITE_GLSL.
 *
 * One step by the exact remainder: halves of 12 bits, cut off by their bits, have products that
 * float32 holds, and so are the partial sums. Fused multiply-adds change nothing, for nothing is
 * rounded. Divisors from 2^100 up are made smaller first: devices that multiply by 1 / b have that
 * as 0 where it is below the smallest normal number.
 */
export const QUOTIENT_GLSL = `
    vec4 upperHalf(vec4 v) {
      return uintBitsToFloat(floatBitsToUint(v) & 0xfffff000u);
    }
    vec4 quotient(vec4 a, vec4 b) {
      bvec4 huge = greaterThanEqual(abs(b), vec4(${glslFloat(2 ** 100)}));
      vec4 shrink = mix(vec4(1.), vec4(${2 ** -30}), huge);
      a *= shrink;
      b *= shrink;
      vec4 q = a / b;
      vec4 qUpper = upperHalf(q);
      vec4 bUpper = upperHalf(b);
      vec4 qLower = q - qUpper;
      vec4 bLower = b - bUpper;
      vec4 rest = a - qUpper * bUpper - qUpper * bLower - qLower * bUpper - qLower * bLower;
      vec4 corrected = q + rest / b;
      return mix(q, corrected, isFinite4(corrected));
    }`;
