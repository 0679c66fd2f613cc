// Paley's matrix of order 12, the factor of most DiT widths, in 4.7 additions per element instead
// of 11.
//
// All Hadamard matrices of order 12 are equivalent (Hall 1961), so Hᵀ = D P W P′ D′ with
// Williamson's W = I ⊗ J + Q ⊗ (2I − J), J = ones [3, 3], Q the skew [4, 4] matrix of ±1 with 0 on
// the diagonal (Q + I is Hadamard). For the three columns x_c of x seen as [4, 3]: (W x)_c = R − Q
// R + 2 Q x_c with R = Σ x_c. With t_c = Q x_c this is 2 (z + t_c), z = Σ (x_c − t_c) / 2: 8
// additions for each t_c, 20 for z, 12 for the outputs. The permutations and signs are written into
// the code. H itself is D P Hᵀ P D with P: i → 11 − i on 1 … 10 and D = diag(−1, 1, …, 1) (χ(−1) =
// −1 for q = 11).

/**
 * dst = scale · src by H, or by Hᵀ; columns of 12 entries, `stride` (bytes, at least 16) apart. dst
 * may be src.
 */
export function paley12(
  src: usize,
  dst: usize,
  bytes: usize,
  stride: usize,
  transpose: bool,
  scale: f32,
): void {
  // twice the scale, because the code gives half of W x
  const s = f32x4.splat(2 * scale);
  // not a constant: V8 would make one anew at each use
  const half = f32x4.div(s, f32x4.splat(4 * scale));
  const s0 = transpose ? f32x4.neg(s) : s;
  const sign0 = v128.xor(s, s0);
  const o11 = 11 * stride;
  const flip = transpose ? o11 : 0;
  const o1 = at(1, stride, flip);
  const o2 = at(2, stride, flip);
  const o3 = at(3, stride, flip);
  const o4 = at(4, stride, flip);
  const o5 = at(5, stride, flip);
  const o6 = at(6, stride, flip);
  const o7 = at(7, stride, flip);
  const o8 = at(8, stride, flip);
  const o9 = at(9, stride, flip);
  const o10 = at(10, stride, flip);
  for (let group: usize = 0; group < bytes; group += 12 * stride) {
    for (let p = src + group, q = dst + group, end = p + stride; p < end; p += 16, q += 16) {
      // first column of the four blocks
      const x8 = f32x4.mul(v128.load(p + o8), s);
      const x2 = f32x4.mul(v128.load(p + o2), s);
      const x6 = f32x4.mul(v128.load(p + o6), s);
      const x5 = f32x4.mul(v128.load(p + o5), s);
      const t0 = f32x4.add(f32x4.add(x2, x6), x5);
      const t3 = f32x4.sub(f32x4.add(x8, x6), x5);
      const t7 = f32x4.sub(f32x4.add(x8, x5), x2);
      const t10 = f32x4.sub(f32x4.add(x8, x2), x6);
      let z0 = f32x4.sub(t0, x8);
      let z1 = f32x4.add(x2, t3);
      let z2 = f32x4.add(x6, t7);
      let z3 = f32x4.add(x5, t10);
      // second column
      const x0 = f32x4.mul(v128.load(p), s0);
      const x4 = f32x4.mul(v128.load(p + o4), s);
      const x1 = f32x4.mul(v128.load(p + o1), s);
      const x10 = f32x4.mul(v128.load(p + o10), s);
      const t1 = f32x4.add(f32x4.add(x4, x1), x10);
      const t8 = f32x4.sub(f32x4.add(x0, x1), x10);
      const t5 = f32x4.sub(f32x4.add(x0, x10), x4);
      const t4 = f32x4.sub(f32x4.add(x0, x4), x1);
      z0 = f32x4.sub(f32x4.add(z0, x0), t1);
      z1 = f32x4.sub(f32x4.add(x4, t8), z1);
      z2 = f32x4.sub(f32x4.add(x1, t5), z2);
      z3 = f32x4.sub(f32x4.add(x10, t4), z3);
      // third column
      const x9 = f32x4.mul(v128.load(p + o9), s);
      const x3 = f32x4.mul(v128.load(p + o3), s);
      const x7 = f32x4.mul(v128.load(p + o7), s);
      const x11 = f32x4.mul(v128.load(p + o11), s);
      const t2 = f32x4.add(f32x4.add(x3, x7), x11);
      const t11 = f32x4.sub(f32x4.add(x9, x11), x7);
      const t9 = f32x4.sub(f32x4.add(x9, x3), x11);
      const t6 = f32x4.sub(f32x4.add(x9, x7), x3);
      z0 = f32x4.sub(f32x4.sub(z0, x9), t2);
      z1 = f32x4.sub(f32x4.add(z1, x3), t11);
      z2 = f32x4.sub(f32x4.add(z2, x7), t9);
      z3 = f32x4.sub(f32x4.add(z3, x11), t6);
      z0 = f32x4.mul(z0, half);
      z1 = f32x4.mul(z1, half);
      z2 = f32x4.mul(z2, half);
      z3 = f32x4.mul(z3, half);
      v128.store(q, v128.xor(f32x4.sub(z0, t0), sign0));
      v128.store(q + o1, f32x4.add(z0, t1));
      v128.store(q + o2, f32x4.add(z0, t2));
      v128.store(q + o3, f32x4.add(z1, t3));
      v128.store(q + o8, f32x4.sub(t8, z1));
      v128.store(q + o11, f32x4.add(z1, t11));
      v128.store(q + o7, f32x4.add(z2, t7));
      v128.store(q + o5, f32x4.sub(t5, z2));
      v128.store(q + o9, f32x4.add(z2, t9));
      v128.store(q + o10, f32x4.add(z3, t10));
      v128.store(q + o4, f32x4.sub(t4, z3));
      v128.store(q + o6, f32x4.add(z3, t6));
    }
  }
}

// @ts-ignore: decorator
@inline
function at(i: usize, stride: usize, flip: usize): usize {
  return flip === 0 ? i * stride : flip - i * stride;
}
