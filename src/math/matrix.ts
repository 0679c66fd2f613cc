import {
  getBackend,
  matMul,
  type Tensor,
  tensor2d,
  tidy,
  transpose as transposeAxes,
} from '@tensorflow/tfjs-core';

/** Backends whose product is float32 throughout and faster than loops. */
const FAST = new Set(['wasm', 'tensorflow']);

/** Below this many multiplications, a call is not worth its overhead. */
const FAST_FROM = 65_536;

/** a [m, k] · b [k, n] → [m, n], row-major float32. */
export function matmul(
  a: Float32Array,
  b: Float32Array,
  m: number,
  k: number,
  n: number,
): Float32Array {
  if (m * k * n >= FAST_FROM && FAST.has(getBackend())) {
    return fetched(() => matMul(tensor2d(a, [m, k]), tensor2d(b, [k, n])));
  }
  const out = new Float32Array(m * n);
  addProduct(out, a, b, m, k, n);
  return out;
}

/** aᵀ · b for a [k, m], b [k, n] → [m, n]. */
export function matmulTransposed(
  a: Float32Array,
  b: Float32Array,
  k: number,
  m: number,
  n: number,
): Float32Array {
  if (m * k * n >= FAST_FROM && FAST.has(getBackend())) {
    // transposed apart: tfjs's transposed product is scalar on WASM
    return fetched(() => matMul(transposeAxes(tensor2d(a, [k, m])), tensor2d(b, [k, n])));
  }
  return matmul(transpose(a, k, m), b, m, k, n);
}

/** [rows, columns] → [columns, rows]. */
export function transpose<T extends Float32Array | Float64Array>(
  a: T,
  rows: number,
  columns: number,
): T {
  const out = a.slice() as T;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j]!;
  }
  return out;
}

/** A tensor's values. Not returned from `tidy` itself, which would search every number for tensors. */
export function fetched(make: () => Tensor): Float32Array {
  let values: Float32Array | undefined;
  tidy(() => {
    values = make().dataSync() as Float32Array;
  });
  return values!;
}

function addProduct(
  out: Float32Array,
  a: Float32Array,
  b: Float32Array,
  m: number,
  k: number,
  n: number,
): void {
  for (let i = 0; i < m; i++) {
    const o = i * n;
    let p = 0;
    for (; p + 4 <= k; p += 4) {
      const a0 = a[i * k + p]!;
      const a1 = a[i * k + p + 1]!;
      const a2 = a[i * k + p + 2]!;
      const a3 = a[i * k + p + 3]!;
      const r = p * n;
      for (let j = 0; j < n; j++) {
        out[o + j] =
          out[o + j]! +
          (a0 * b[r + j]! + a1 * b[r + n + j]! + a2 * b[r + 2 * n + j]! + a3 * b[r + 3 * n + j]!);
      }
    }
    for (; p < k; p++) {
      const a0 = a[i * k + p]!;
      for (let j = 0; j < n; j++) out[o + j] = out[o + j]! + a0 * b[p * n + j]!;
    }
  }
}

/**
 * Factors a symmetric positive definite matrix as H = U Uᵀ with U upper triangular, in place: row-major float64
 * [d, d], the upper triangle of `h` is read and becomes U; below the diagonal is left as it was.
 * @returns false where H is not positive definite to working precision.
 */
export function factorUpper(h: Float64Array, d: number): boolean {
  // from the last row up: U[i, j] = (H[i, j] − Σ_{k > j} U[i, k] U[j, k]) / U[j, j], all along rows
  for (let i = d - 1; i >= 0; i--) {
    const row = i * d;
    let diagonal = h[row + i]!;
    for (let k = i + 1; k < d; k++) diagonal -= h[row + k]! ** 2;
    if (!(diagonal > 0)) return false;
    const pivot = Math.sqrt(diagonal);
    h[row + i] = pivot;
    const inverse = 1 / pivot;
    for (let r = i - 1; r >= 0; r--) {
      const at = r * d;
      let a = 0;
      let b = 0;
      let c = 0;
      let e = 0;
      let k = i + 1;
      for (; k + 4 <= d; k += 4) {
        a += h[at + k]! * h[row + k]!;
        b += h[at + k + 1]! * h[row + k + 1]!;
        c += h[at + k + 2]! * h[row + k + 2]!;
        e += h[at + k + 3]! * h[row + k + 3]!;
      }
      for (; k < d; k++) a += h[at + k]! * h[row + k]!;
      h[at + i] = (h[at + i]! - (a + b + (c + e))) * inverse;
    }
  }
  return true;
}
