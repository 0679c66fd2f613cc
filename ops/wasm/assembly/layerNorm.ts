// ((x − μ) / sqrt(σ² + ε) · gamma + beta) · factor + shift: a row at a time, which stays in L1.

/**
 * items: rows of d elements. gamma, beta: [d]; factor, shift: a row for so many consecutive rows of
 * x; each 0 for none. `center` 0 leaves the mean in (RMSNorm).
 */
export function layerNorm(
  x: usize,
  out: usize,
  d: i32,
  gamma: usize,
  beta: usize,
  factor: usize,
  rowsPerFactor: i32,
  shift: usize,
  rowsPerShift: i32,
  epsilon: f64,
  center: i32,
  scratch: usize,
  begin: i32,
  end: i32,
): void {
  const bytes = <usize>d << 2;
  for (let row = begin; row < end; row++) {
    const from = x + <usize>row * bytes;
    const to = out + <usize>row * bytes;
    const mean: f32 = center ? <f32>(sumOf(from, bytes) / <f64>d) : 0;
    const variance = squaresOf(from, bytes, mean) / <f64>d;
    const inverse = <f32>(1 / f64.sqrt(variance + epsilon));
    normalize(from, to, bytes, mean, inverse, gamma, beta);
    if (factor !== 0) multiply(to, bytes, factor + <usize>(row / rowsPerFactor) * bytes);
    if (shift !== 0) add(to, bytes, shift + <usize>(row / rowsPerShift) * bytes);
  }
}

/** 4 accumulators: one chain stalls on add latency. */
function sumOf(at: usize, bytes: usize): f64 {
  const end = at + bytes;
  let a = f32x4.splat(0), b = a, c = a, d = a;
  for (; at + 64 <= end; at += 64) {
    a = f32x4.add(a, v128.load(at));
    b = f32x4.add(b, v128.load(at, 16));
    c = f32x4.add(c, v128.load(at, 32));
    d = f32x4.add(d, v128.load(at, 48));
  }
  for (; at + 16 <= end; at += 16) a = f32x4.add(a, v128.load(at));
  let sum = across(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
  for (; at < end; at += 4) sum += f32.load(at);
  return sum;
}

/** Σ (x − mean)². */
function squaresOf(at: usize, bytes: usize, mean: f32): f64 {
  const end = at + bytes;
  const m = f32x4.splat(mean);
  let a = f32x4.splat(0), b = a, c = a, d = a;
  for (; at + 64 <= end; at += 64) {
    a = f32x4.add(a, squared(f32x4.sub(v128.load(at), m)));
    b = f32x4.add(b, squared(f32x4.sub(v128.load(at, 16), m)));
    c = f32x4.add(c, squared(f32x4.sub(v128.load(at, 32), m)));
    d = f32x4.add(d, squared(f32x4.sub(v128.load(at, 48), m)));
  }
  for (; at + 16 <= end; at += 16) a = f32x4.add(a, squared(f32x4.sub(v128.load(at), m)));
  let sum = across(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
  for (; at < end; at += 4) {
    const off = f32.load(at) - mean;
    sum += off * off;
  }
  return sum;
}

@inline
function squared(x: v128): v128 {
  return f32x4.mul(x, x);
}

@inline
function across(x: v128): f64 {
  const sums = f64x2.add(
    f64x2.promote_low_f32x4(x),
    f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 0)),
  );
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
}

function normalize(
  from: usize,
  to: usize,
  bytes: usize,
  mean: f32,
  inverse: f32,
  gamma: usize,
  beta: usize,
): void {
  const m = f32x4.splat(mean);
  const s = f32x4.splat(inverse);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    v128.store(to + i, f32x4.mul(f32x4.sub(v128.load(from + i), m), s));
  }
  for (; i < bytes; i += 4) f32.store(to + i, (f32.load(from + i) - mean) * inverse);
  if (gamma !== 0) multiply(to, bytes, gamma);
  if (beta !== 0) add(to, bytes, beta);
}

function multiply(to: usize, bytes: usize, by: usize): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    v128.store(to + i, f32x4.mul(v128.load(to + i), v128.load(by + i)));
  }
  for (; i < bytes; i += 4) f32.store(to + i, f32.load(to + i) * f32.load(by + i));
}

function add(to: usize, bytes: usize, what: usize): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    v128.store(to + i, f32x4.add(v128.load(to + i), v128.load(what + i)));
  }
  for (; i < bytes; i += 4) f32.store(to + i, f32.load(to + i) + f32.load(what + i));
}
