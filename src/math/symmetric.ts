import { areProductsFast, matmul, transpose } from './matrix.js';

/** Rounds of the iteration: what tells neighbouring eigenvalues apart is worth nothing here. */
const ROUNDS = 12;

/**
 * The eigenvectors of the r largest eigenvalues of a symmetric, positive semidefinite h [d, d] as
 * orthonormal columns [d, r], float64, by orthogonal iteration (Golub & Van Loan, §8.2.4) from a
 * fixed start: the same matrix gives the same vectors. Columns beyond the rank of h are zero.
 */
export function leadingEigenvectors(h: Float64Array, d: number, r: number): Float64Array {
  const times = timesOf(h, d);
  return leadingOf((columns) => times(columns, r), d, r);
}

/** From this width on, the backend's float32 product is worth its calls where it is fast. */
const FAST_FROM = 512;

/** h v for columns v [d, r], many times: of wide matrices in float32, by a backend that is fast. */
export function timesOf(
  h: Float64Array,
  d: number,
): (columns: Float64Array, r: number) => Float64Array {
  if (d < FAST_FROM || !areProductsFast()) return (v, r) => timesColumns(h, d, v, r);
  const single = Float32Array.from(h);
  return (v, r) => Float64Array.from(matmul(single, Float32Array.from(v), d, d, r));
}

/**
 * As `leadingEigenvectors`, of a matrix that is given by what it does to columns [d, r]: it may
 * give them in its own memory.
 */
export function leadingOf(
  image: (columns: Float64Array) => Float64Array,
  d: number,
  r: number,
): Float64Array {
  let rows = startingRows(d, r);
  orthonormalize(rows, d, r);
  for (let round = 0; round < ROUNDS; round++) {
    rows = transpose(image(transpose(rows, r, d)), d, r);
    orthonormalize(rows, d, r);
  }
  return transpose(rows, r, d);
}

/** h v for a square h [d, d] and columns v [d, r], float64. */
export function timesColumns(h: Float64Array, d: number, v: Float64Array, r: number): Float64Array {
  const out = new Float64Array(d * r);
  for (let i = 0; i < d; i++) {
    const to = i * r;
    for (let k = 0, at = i * d; k < d; k++, at++) {
      const factor = h[at]!;
      if (factor === 0) continue;
      for (let j = 0, from = k * r; j < r; j++, from++)
        out[to + j] = out[to + j]! + factor * v[from]!;
    }
  }
  return out;
}

/** aᵀ b for columns a [d, m] and b [d, n] → [m, n], float64. */
export function innerProducts(
  a: Float64Array,
  b: Float64Array,
  d: number,
  m: number,
  n: number,
): Float64Array {
  const out = new Float64Array(m * n);
  for (let k = 0; k < d; k++) {
    for (let i = 0; i < m; i++) {
      const factor = a[k * m + i]!;
      for (let j = 0; j < n; j++) out[i * n + j] = out[i * n + j]! + factor * b[k * n + j]!;
    }
  }
  return out;
}

/**
 * a⁻¹ b for a symmetric, positive semidefinite a [r, r] and b [r, n], float64, by Cholesky: a
 * direction that a does not have gives zeros.
 */
export function solveSymmetric(
  a: Float64Array,
  b: Float64Array,
  r: number,
  n: number,
): Float64Array {
  const l = lowerFactor(a, r);
  const x = b.slice();
  const subtract = (to: number, from: number, factor: number) => {
    if (factor === 0) return;
    for (let j = 0; j < n; j++) x[to * n + j] = x[to * n + j]! - factor * x[from * n + j]!;
  };
  const divide = (row: number, pivot: number) => {
    for (let j = 0; j < n; j++) x[row * n + j] = pivot === 0 ? 0 : x[row * n + j]! / pivot;
  };
  for (let i = 0; i < r; i++) {
    for (let k = 0; k < i; k++) subtract(i, k, l[i * r + k]!);
    divide(i, l[i * r + i]!);
  }
  for (let i = r - 1; i >= 0; i--) {
    for (let k = i + 1; k < r; k++) subtract(i, k, l[k * r + i]!);
    divide(i, l[i * r + i]!);
  }
  return x;
}

/** L with a = L Lᵀ, lower triangular; rows and columns of zeros for directions that a lacks. */
function lowerFactor(a: Float64Array, r: number): Float64Array {
  const l = new Float64Array(r * r);
  let largest = 0;
  for (let i = 0; i < r; i++) largest = Math.max(largest, a[i * r + i]!);
  for (let j = 0; j < r; j++) {
    let diagonal = a[j * r + j]!;
    for (let k = 0; k < j; k++) diagonal -= l[j * r + k]! ** 2;
    if (!(diagonal > 1e-12 * largest)) continue;
    const pivot = Math.sqrt(diagonal);
    l[j * r + j] = pivot;
    for (let i = j + 1; i < r; i++) {
      let sum = a[i * r + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * r + k]! * l[j * r + k]!;
      l[i * r + j] = sum / pivot;
    }
  }
  return l;
}

/** Gram–Schmidt on rows [r, d], twice: once is not enough. Rows that vanish become zero. */
export function orthonormalize(rows: Float32Array | Float64Array, d: number, r: number): void {
  const vanished = rows instanceof Float32Array ? 1e-6 : 1e-12;
  const dot = (i: number, j: number) => {
    let sum = 0;
    for (let c = 0; c < d; c++) sum += rows[i * d + c]! * rows[j * d + c]!;
    return sum;
  };
  // in one pass what row i has along row j goes, and what is left of it meets the next one
  const subtract = (i: number, j: number, along: number, next: number) => {
    let sum = 0;
    for (let c = 0; c < d; c++) {
      rows[i * d + c] = rows[i * d + c]! - along * rows[j * d + c]!;
      sum += rows[i * d + c]! * rows[next * d + c]!;
    }
    return sum;
  };
  const largest = Math.sqrt(Math.max(...Array.from({ length: r }, (_, i) => dot(i, i))));
  const there: number[] = [];
  for (let i = 0; i < r; i++) {
    for (let pass = 0; pass < 2; pass++) {
      let along = there.length === 0 ? 0 : dot(i, there[0]!);
      for (const [at, j] of there.entries()) along = subtract(i, j, along, there[at + 1] ?? j);
    }
    const norm = Math.sqrt(dot(i, i));
    const factor = norm > vanished * largest ? 1 / norm : 0;
    // along what vanished nothing is taken
    if (factor > 0) there.push(i);
    for (let c = 0; c < d; c++) rows[i * d + c] = rows[i * d + c]! * factor;
  }
}

/** In no special position: a hash of each index (mulberry32's), as a number from −0.5 to 0.5. */
export function startingRows(d: number, r: number): Float64Array {
  return Float64Array.from({ length: r * d }, (_, i) => {
    let t = Math.imul(i + 1, 0x6d2b79f5);
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32 - 0.5;
  });
}
