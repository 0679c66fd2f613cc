import {
  getBackend,
  matMul,
  type Tensor,
  tensor2d,
  tidy,
  transpose as transposeAxes,
} from '@tensorflow/tfjs-core';
import { valuesOf } from '../../ops/common/alive.js';

/** Backends whose product is float32 throughout and faster than loops. */
const FAST = new Set(['wasm', 'tensorflow']);

/** Below this many multiplications, a call is not worth its overhead. */
const FAST_FROM = 65_536;

/** Whether a product of so many multiplications goes to the backend. */
export function isProductFast(multiplications: number): boolean {
  return multiplications >= FAST_FROM && areProductsFast();
}

/** Whether the current backend's products are float32 throughout, fast, and read in step. */
export function areProductsFast(): boolean {
  return FAST.has(getBackend());
}

/** a [m, k] · b [k, n] → [m, n], row-major float32. */
export function matmul(
  a: Float32Array,
  b: Float32Array,
  m: number,
  k: number,
  n: number,
): Float32Array {
  if (isProductFast(m * k * n)) {
    return fetched('matmul', () => matMul(tensor2d(a, [m, k]), tensor2d(b, [k, n])));
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
  if (a.length > SMALL && isProductFast(m * k * n)) {
    // transposed apart: tfjs's transposed product is scalar on WASM
    return fetched('matmulTransposed', () =>
      matMul(transposeAxes(tensor2d(a, [k, m])), tensor2d(b, [k, n])),
    );
  }
  return matmul(transpose(a, k, m), b, m, k, n);
}

/** Entries up to which to transpose is less than a backend's call for it. */
const SMALL = 2 ** 15;

/** [rows, columns] → [columns, rows]. */
export function transpose<T extends Float32Array | Float64Array>(
  a: T,
  rows: number,
  columns: number,
): T {
  const out = (
    a instanceof Float32Array ? new Float32Array(a.length) : new Float64Array(a.length)
  ) as T;
  for (let from = 0; from < rows; from += TILE) {
    const to = Math.min(from + TILE, rows);
    for (let j = 0; j < columns; j++) {
      for (let i = from; i < to; i++) out[j * rows + i] = a[i * columns + j]!;
    }
  }
  return out;
}

/** Rows that are read beside each other: so many lines of the cache are written whole. */
const TILE = 16;

/**
 * A tensor's values. Not returned from `tidy` itself, which would search every number for tensors.
 * @param op Who is named where the backend's device is lost.
 */
export function fetched(op: string, make: () => Tensor): Float32Array {
  let values: Float32Array | undefined;
  tidy(() => {
    values = valuesOf<'float32'>(op, make());
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

/** The sum of the diagonal of a square matrix, row-major [d, d]. */
export function traceOf(h: Float64Array, d: number): number {
  let trace = 0;
  for (let i = 0; i < d; i++) trace += h[i * d + i]!;
  return trace;
}

/** Columns that are factored before the rest is updated. */
const FACTOR_BLOCK = 64;

/**
 * Factors a symmetric positive definite matrix as H = U Uᵀ with U upper triangular, in place:
 * row-major float64 [d, d], the upper triangle of `h` is read and becomes U; below the diagonal is
 * left as it was.
 *
 * Blocked from the last columns to the first (Golub & Van Loan, §4.2.9, mirrored).
 *
 * @returns false where H is not positive definite to working precision.
 */
export function factorUpper(h: Float64Array, d: number): boolean {
  for (let end = d; end > 0; end -= FACTOR_BLOCK) {
    const start = Math.max(end - FACTOR_BLOCK, 0);
    if (!factorColumns(h, d, start, end)) return false;
    subtractProduct(h, d, start, end);
  }
  return true;
}

/**
 * U[i, j] = (H[i, j] − Σ_{j < k < end} U[i, k] U[j, k]) / U[j, j], for the columns of a block, from
 * the last.
 */
function factorColumns(h: Float64Array, d: number, start: number, end: number): boolean {
  for (let j = end - 1; j >= start; j--) {
    const row = j * d;
    let diagonal = h[row + j]!;
    for (let k = j + 1; k < end; k++) diagonal -= h[row + k]! ** 2;
    if (!(diagonal > 0)) return false;
    const pivot = Math.sqrt(diagonal);
    h[row + j] = pivot;
    for (let i = 0; i < j; i++) {
      const at = i * d;
      let sum = h[at + j]!;
      for (let k = j + 1; k < end; k++) sum -= h[at + k]! * h[row + k]!;
      h[at + j] = sum / pivot;
    }
  }
  return true;
}

/** H[i, j] −= Σ_{k in the block} U[i, k] U[j, k], for i ≤ j < start. */
function subtractProduct(h: Float64Array, d: number, start: number, end: number): void {
  if (start === 0) return;
  const width = end - start;
  const panel = new Float64Array(start * width);
  for (let i = 0; i < start; i++) panel.set(h.subarray(i * d + start, i * d + end), i * width);
  for (let i = 0; i < start; i++) subtractRow(h, panel, i, start, width, d);
}

/** Four columns at a time: one load of row i serves four products. */
function subtractRow(
  h: Float64Array,
  panel: Float64Array,
  i: number,
  count: number,
  width: number,
  d: number,
): void {
  const own = i * width;
  let j = i;
  for (; j + 4 <= count; j += 4) {
    const at = j * width;
    let a = 0;
    let b = 0;
    let c = 0;
    let e = 0;
    for (let k = 0; k < width; k++) {
      const v = panel[own + k]!;
      a += v * panel[at + k]!;
      b += v * panel[at + width + k]!;
      c += v * panel[at + 2 * width + k]!;
      e += v * panel[at + 3 * width + k]!;
    }
    const to = i * d + j;
    h[to] = h[to]! - a;
    h[to + 1] = h[to + 1]! - b;
    h[to + 2] = h[to + 2]! - c;
    h[to + 3] = h[to + 3]! - e;
  }
  for (; j < count; j++) {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += panel[own + k]! * panel[j * width + k]!;
    h[i * d + j] = h[i * d + j]! - sum;
  }
}
