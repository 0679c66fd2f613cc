/** Pieces of WGSL that several shaders share. */

/** A float32 number as a literal. */
export function wgslFloat(value: number): string {
  // nine digits tell any two float32 numbers apart
  return `${Math.fround(value).toPrecision(9)}f`;
}

/** Whole numbers added to this stand in a float32's last bits: they take no conversion. */
export const INTEGERS = 1.5 * 2 ** 23;

/** The bits of a float32 number, which programs take among their sizes. */
export function floatBits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}

/**
 * `bool isFinite1(f32)` by the bits: WGSL lets an implementation assume that there is no NaN and no
 * Inf, so that comparisons may say anything of them. `NAN` and `INF` come by their bits, through a
 * variable: as constants they are errors.
 */
export const FINITE_WGSL = `
fn magnitudeBits(v: f32) -> u32 { return bitcast<u32>(v) & 0x7fffffffu; }
fn isFinite1(v: f32) -> bool { return magnitudeBits(v) < 0x7f800000u; }
fn isNan1(v: f32) -> bool { return magnitudeBits(v) > 0x7f800000u; }
fn nanValue() -> f32 { var bits = 0x7fc00000u; return bitcast<f32>(bits); }
`;

/**
 * `f32 quotient(f32 a, f32 b)`: a / b as IEEE 754 rounds it, where a device's own division may be
 * 2.5 units in the last place off, so that codes are those of the other backends. Needs
 * FINITE_WGSL.
 *
 * One step by the exact remainder: halves of 12 bits, cut off by their bits, have products that
 * float32 holds, and so are the partial sums. Fused multiply-adds change nothing, for nothing is
 * rounded; but compilers that take (q1 + q2) (b1 + b2) for q b would, so the parts are `hidden`
 * from them. Divisors from 2^100 up are made smaller first: devices that multiply by 1 / b have
 * that as 0 where it is below the smallest normal number.
 */
export const QUOTIENT_WGSL = `
fn upperHalf(v: f32) -> f32 { return bitcast<f32>(bitcast<u32>(v) & 0xfffff000u); }
fn quotient(a0: f32, b0: f32) -> f32 {
  let shrink = select(1f, ${wgslFloat(2 ** -30)}, abs(b0) >= ${wgslFloat(2 ** 100)});
  let a = a0 * shrink;
  let b = b0 * shrink;
  let q = hidden(a / b);
  let qUpper = upperHalf(q);
  let bUpper = upperHalf(b);
  let qLower = hidden(q - qUpper);
  let bLower = hidden(b - bUpper);
  let rest = a - qUpper * bUpper - qUpper * bLower - qLower * bUpper - qLower * bLower;
  let corrected = q + rest / b;
  return select(q, corrected, isFinite1(corrected));
}
`;

/**
 * `i32 dot4(u32, u32)`: the sum of the products of four signed bytes. The emulation gives the same
 * integers.
 * @param builtin Whether WGSL has `packed_4x8_integer_dot_product` here.
 */
export function dot4Wgsl(builtin: boolean): string {
  if (builtin) return 'fn dot4(a: u32, b: u32) -> i32 { return dot4I8Packed(a, b); }';
  return `
fn signedBytes(word: u32) -> vec4<i32> {
  return (vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
}
fn dot4(a: u32, b: u32) -> i32 {
  let products = signedBytes(a) * signedBytes(b);
  return products.x + products.y + products.z + products.w;
}`;
}

/** Numbers that an invocation adds up at a time: fewer at a time take more barriers. */
const SUMMED = 8;

/**
 * WGSL statements: adds up `count` numbers (a power of two) of a workgroup's array, which the
 * invocations `member` have written at `lid`, `apart` from each other; the sum lies where member 0
 * wrote. Ends with a barrier.
 */
export function sumWgsl(name: string, count: number, member = 'lid', apart = 1): string {
  let text = '\n  workgroupBarrier();';
  for (let left = count; left > 1; left = Math.ceil(left / SUMMED)) {
    const next = Math.ceil(left / SUMMED);
    const others = Array.from({ length: left / next - 1 }, (_, i) => (i + 1) * next * apart);
    text += `
  if (${member} < ${next}u) {
    ${name}[lid] += ${others.map((at) => `${name}[lid + ${at}u]`).join(' + ')};
  }
  workgroupBarrier();`;
  }
  return text;
}
