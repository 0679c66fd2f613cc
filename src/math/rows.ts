/** y += factor · x, of `length` elements from `yAt` and `xAt` on. */
export function addScaled(
  y: Float32Array,
  yAt: number,
  factor: number,
  x: Float32Array,
  xAt: number,
  length: number,
): void {
  for (let i = 0; i < length; i++) y[yAt + i] = y[yAt + i]! + factor * x[xAt + i]!;
}

/**
 * y += Σ factors[from + (r − first) · stride] x_r over the rows [first, last) of x [rows, n], y at
 * `yAt`: four rows in one pass, for y is read and written as often.
 */
export function addRows(
  y: Float32Array,
  yAt: number,
  factors: Float32Array,
  from: number,
  stride: number,
  x: Float32Array,
  first: number,
  last: number,
  n: number,
): void {
  let r = first;
  let f = from;
  for (; r + 4 <= last; r += 4, f += 4 * stride) {
    const a = factors[f]!;
    const b = factors[f + stride]!;
    const c = factors[f + 2 * stride]!;
    const e = factors[f + 3 * stride]!;
    const at = r * n;
    for (let i = 0; i < n; i++) {
      const sum = a * x[at + i]! + b * x[at + n + i]! + c * x[at + 2 * n + i]!;
      y[yAt + i] = y[yAt + i]! + sum + e * x[at + 3 * n + i]!;
    }
  }
  for (; r < last; r++, f += stride) addScaled(y, yAt, factors[f]!, x, r * n, n);
}
