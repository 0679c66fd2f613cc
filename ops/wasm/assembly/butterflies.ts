// Butterflies across vectors: 1, 2 or 3 stages of Sylvester's factor in one pass over the row.

/** Blocks of two: entries `span` bytes apart, a multiple of 16. */
export function radix2(row: usize, bytes: usize, span: usize): void {
  for (let start: usize = 0; start < bytes; start += span << 1) {
    for (let p = row + start, end = p + span; p < end; p += 16) {
      const a = v128.load(p);
      const b = v128.load(p + span);
      v128.store(p, f32x4.add(a, b));
      v128.store(p + span, f32x4.sub(a, b));
    }
  }
}

/** Two stages in one pass. */
export function radix4(row: usize, bytes: usize, span: usize): void {
  for (let start: usize = 0; start < bytes; start += span << 2) {
    for (let p = row + start, end = p + span; p < end; p += 16) {
      const p1 = p + span;
      const p2 = p1 + span;
      const p3 = p2 + span;
      const a = v128.load(p);
      const b = v128.load(p1);
      const c = v128.load(p2);
      const d = v128.load(p3);
      const ab = f32x4.add(a, b);
      const amb = f32x4.sub(a, b);
      const cd = f32x4.add(c, d);
      const cmd = f32x4.sub(c, d);
      v128.store(p, f32x4.add(ab, cd));
      v128.store(p1, f32x4.add(amb, cmd));
      v128.store(p2, f32x4.sub(ab, cd));
      v128.store(p3, f32x4.sub(amb, cmd));
    }
  }
}

/** Three stages in one pass. */
export function radix8(row: usize, bytes: usize, span: usize): void {
  const half = span << 2;
  for (let start: usize = 0; start < bytes; start += span << 3) {
    for (let p = row + start, end = p + span; p < end; p += 16) {
      const p1 = p + span;
      const p2 = p1 + span;
      const p3 = p2 + span;
      let a = v128.load(p);
      let b = v128.load(p1);
      let c = v128.load(p2);
      let d = v128.load(p3);
      let x = f32x4.add(a, b);
      let y = f32x4.sub(a, b);
      let z = f32x4.add(c, d);
      let w = f32x4.sub(c, d);
      a = f32x4.add(x, z);
      b = f32x4.add(y, w);
      c = f32x4.sub(x, z);
      d = f32x4.sub(y, w);
      const e0 = v128.load(p + half);
      const f0 = v128.load(p1 + half);
      const g0 = v128.load(p2 + half);
      const h0 = v128.load(p3 + half);
      x = f32x4.add(e0, f0);
      y = f32x4.sub(e0, f0);
      z = f32x4.add(g0, h0);
      w = f32x4.sub(g0, h0);
      const e = f32x4.add(x, z);
      const f = f32x4.add(y, w);
      const g = f32x4.sub(x, z);
      const h = f32x4.sub(y, w);
      v128.store(p, f32x4.add(a, e));
      v128.store(p1, f32x4.add(b, f));
      v128.store(p2, f32x4.add(c, g));
      v128.store(p3, f32x4.add(d, h));
      v128.store(p + half, f32x4.sub(a, e));
      v128.store(p1 + half, f32x4.sub(b, f));
      v128.store(p2 + half, f32x4.sub(c, g));
      v128.store(p3 + half, f32x4.sub(d, h));
    }
  }
}
