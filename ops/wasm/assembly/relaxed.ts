// What the module with relaxed SIMD exports, beside the baseline's; an export of the same name
// replaces the baseline's.

/**
 * out = acc + dot products of four neighbouring bytes each; a, b: 16 int8, acc, out: 4 int32.
 * `module.ts` compares it with what it must be before it believes in this module: Node 20 behind
 * its flag gives wrong values.
 */
export function relaxedDot(a: usize, b: usize, acc: usize, out: usize): void {
  const sums = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(a), v128.load(b), v128.load(acc));
  v128.store(out, sums);
}

/** out = sums of two neighbouring products each, 8 int16; a: 16 int8, b: 16 codes below 128. */
export function relaxedPairs(a: usize, b: usize, out: usize): void {
  v128.store(out, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(a), v128.load(b)));
}

export { gemmFloat } from './gemmFloat';
export { gemmRelaxed16, gemmRelaxed32 } from './gemmRelaxed';
export { attention } from './attention';
