import {
  dispose,
  getBackend,
  matMul,
  type Tensor2D,
  tensor2d,
  transpose as transposeAxes,
} from '@tensorflow/tfjs-core';
import { fetched, isProductFast, matmul, matmulTransposed, transpose } from './matrix.js';

/** Products with one matrix a [m, n], both ways, many times: it goes to the backend once. */
export interface BothProducts {
  /** a · b for b [n, r]. */
  readonly times: (b: Float32Array) => Float32Array;
  /** aᵀ · b for b [m, r]. */
  readonly timesTransposed: (b: Float32Array) => Float32Array;
  readonly dispose: () => void;
}

export function bothProducts(a: Float32Array, m: number, n: number, r: number): BothProducts {
  if (!isProductFast(m * n * r)) return onHost(a, m, n, r);
  const rows = tensor2d(a, [m, n]);
  const columns = transposeAxes(rows);
  return onBackend(rows, columns, r);
}

/** Numbers of a matrix of which a copy is memory that counts. */
const LARGE = 2 ** 25;

/** The same of aᵀ [n, m]. */
export function bothProductsOfTurned(
  turned: Float32Array,
  m: number,
  n: number,
  r: number,
): BothProducts {
  if (!isProductFast(m * n * r)) return onHost(transpose(turned, n, m), m, n, r);
  const columns = tensor2d(turned, [n, m]);
  // WASM's transposed product is scalar; elsewhere that of a large matrix needs no copy
  const isCopied = getBackend() === 'wasm' || turned.length < LARGE;
  return onBackend(isCopied ? transposeAxes(columns) : null, columns, r);
}

function onHost(a: Float32Array, m: number, n: number, r: number): BothProducts {
  return {
    times: (b) => matmul(a, b, m, n, r),
    timesTransposed: (b) => matmulTransposed(a, b, m, n, r),
    dispose: () => undefined,
  };
}

/** a, which may be null, and aᵀ on the backend: both are disposed of with the products. */
function onBackend(rows: Tensor2D | null, columns: Tensor2D, r: number): BothProducts {
  const [n, m] = columns.shape;
  const times = (b: Tensor2D) => (rows === null ? matMul(columns, b, true) : matMul(rows, b));
  return {
    times: (b) => fetched('matmul', () => times(tensor2d(b, [n, r]))),
    timesTransposed: (b) => fetched('matmul', () => matMul(columns, tensor2d(b, [m, r]))),
    dispose: () => dispose(rows === null ? [columns] : [rows, columns]),
  };
}
