// What the module with relaxed SIMD exports, beside the baseline's; an export of the same name replaces the baseline's.

/**
 * out = acc + dot products of four neighbouring bytes each; a, b: 16 int8, acc, out: 4 int32. `module.ts` compares it with
 * what it must be before it believes in this module: Node 20 behind its flag gives wrong values.
 */
export function relaxedDot(a: usize, b: usize, acc: usize, out: usize): void {
  const sums = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(a), v128.load(b), v128.load(acc));
  v128.store(out, sums);
}
