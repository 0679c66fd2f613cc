import { matmul } from './matrix.js';

/** Rows that are solved before the others are updated by them. */
const BLOCK = 64;

/**
 * Solves U Uᵀ X = B in place of B, row-major float32 [d, n]: U as `factorUpper` gives it, of which
 * the upper triangle is read. Updates are float32 where the backend is fast.
 */
export function solveFactored(upper: Float64Array, b: Float32Array, d: number, n: number): void {
  for (let end = d; end > 0; end -= BLOCK) {
    const start = Math.max(end - BLOCK, 0);
    for (let i = end - 1; i >= start; i--) {
      for (let j = i + 1; j < end; j++) subtractRow(b, i, j, upper[i * d + j]!, n);
      divideRow(b, i, upper[i * d + i]!, n);
    }
    const factors = panel(start, end - start, (i, k) => upper[i * d + start + k]!);
    subtractProduct(b, factors, { to: 0, rows: start, from: start, width: end - start }, n);
  }
  for (let start = 0; start < d; start += BLOCK) {
    const end = Math.min(start + BLOCK, d);
    for (let i = start; i < end; i++) {
      for (let j = start; j < i; j++) subtractRow(b, i, j, upper[j * d + i]!, n);
      divideRow(b, i, upper[i * d + i]!, n);
    }
    const factors = panel(d - end, end - start, (i, k) => upper[(start + k) * d + end + i]!);
    subtractProduct(b, factors, { to: end, rows: d - end, from: start, width: end - start }, n);
  }
}

/** [rows, width] */
function panel(
  rows: number,
  width: number,
  at: (row: number, column: number) => number,
): Float32Array {
  const out = new Float32Array(rows * width);
  for (let i = 0; i < rows; i++) for (let k = 0; k < width; k++) out[i * width + k] = at(i, k);
  return out;
}

function subtractProduct(
  b: Float32Array,
  factors: Float32Array,
  { to, rows, from, width }: { to: number; rows: number; from: number; width: number },
  n: number,
): void {
  if (rows === 0) return;
  const solved = b.subarray(from * n, (from + width) * n);
  const made = matmul(factors, solved, rows, width, n);
  for (let at = 0; at < made.length; at++) b[to * n + at] = b[to * n + at]! - made[at]!;
}

function subtractRow(b: Float32Array, i: number, j: number, factor: number, n: number): void {
  for (let c = 0; c < n; c++) b[i * n + c] = b[i * n + c]! - factor * b[j * n + c]!;
}

function divideRow(b: Float32Array, i: number, pivot: number, n: number): void {
  for (let c = 0; c < n; c++) b[i * n + c] = b[i * n + c]! / pivot;
}
