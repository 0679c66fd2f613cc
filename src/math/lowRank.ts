import { type BothProducts, bothProducts, bothProductsOfTurned } from './bothProducts.js';
import { matmul, transpose } from './matrix.js';
import { orthonormalize, startingRows } from './symmetric.js';

/**
 * Rounds of the power iteration: singular values a factor of 1.3 apart are told apart to better
 * than 1 %.
 */
const ROUNDS = 12;

/**
 * The right singular vectors of a [m, n] with the r largest singular values, [r, n], orthonormal
 * rows.
 *
 * Orthogonal iteration on aᵀa (Golub & Van Loan, §7.3), from a fixed start, so that the same matrix
 * gives the same vectors. Rows beyond the matrix's rank are zero.
 */
export function leadingRightVectors(
  a: Float32Array,
  m: number,
  n: number,
  r: number,
): Float32Array {
  return 2 * m <= n ? throughRows(a, m, n, r) : throughColumns(bothProducts(a, m, n, r), n, r);
}

/** The left singular vectors of w [d, n] likewise, [r, d]: of a large one without a copy. */
export function leadingLeftVectors(w: Float32Array, d: number, n: number, r: number): Float32Array {
  if (2 * n <= d) return throughRows(transpose(w, d, n), n, d, r);
  return throughColumns(bothProductsOfTurned(w, n, d, r), d, r);
}

function throughColumns(products: BothProducts, n: number, r: number): Float32Array {
  let basis: Float32Array = Float32Array.from(startingRows(n, r));
  orthonormalize(basis, n, r);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      // [n, r] → a · [n, r] = [m, r] → aᵀ · [m, r] = [n, r]
      const image = products.times(transpose(basis, r, n));
      basis = transpose(products.timesTransposed(image), n, r);
      orthonormalize(basis, n, r);
    }
  } finally {
    products.dispose();
  }
  return basis;
}

/** Of few long rows: the same iteration on a aᵀ [m, m], from the same start; then by aᵀ. */
function throughRows(a: Float32Array, m: number, n: number, r: number): Float32Array {
  const gram = matmul(a, transpose(a, m, n), m, n, m);
  const start = Float32Array.from(startingRows(n, r));
  orthonormalize(start, n, r);
  let basis = transpose(matmul(a, transpose(start, r, n), m, n, r), m, r);
  for (let round = 1; round < ROUNDS; round++) {
    orthonormalize(basis, m, r);
    basis = matmul(basis, gram, r, m, m);
  }
  orthonormalize(basis, m, r);
  const vectors = matmul(basis, a, r, m, n);
  orthonormalize(vectors, n, r);
  return vectors;
}
