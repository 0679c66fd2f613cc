import {
  getBackend,
  matMul,
  slice,
  type Tensor,
  tensor2d,
  tidy,
  transpose,
} from '@tensorflow/tfjs-core';
import { fetchValues } from '../../ops/common/alive.js';
import { fetched, matmulTransposed } from '../math/matrix.js';

/** x − μ, with zeros up to a multiple of four rows. */
export function centeredRows(
  values: Float32Array,
  means: readonly Float32Array[],
  counts: readonly number[],
  d: number,
): Float32Array {
  const rows = values.length / d;
  const centered = new Float32Array(Math.ceil(rows / 4) * 4 * d);
  let at = 0;
  counts.forEach((count, sample) => {
    const mean = means[sample]!;
    for (let token = 0; token < count; token++) {
      for (let c = 0; c < d; c++, at++) centered[at] = values[at]! - mean[c]!;
    }
  });
  return centered;
}

/** Rows of a site's products that are there at a time: a wide one's are 4 d² bytes. */
const PRODUCT_ROWS = 1024;

/** scatter += xᵀ x, upper triangle: the backend's product, summed in float64. x: [rows, d] */
export function addScatter(scatter: Float64Array, x: Float32Array, d: number): void {
  if (getBackend() === 'cpu') {
    addOuterProducts(scatter, x, d);
    return;
  }
  for (let from = 0; from < d; from += PRODUCT_ROWS) {
    const product = fetched('calibrate', () => innerProducts(x, d, from));
    addTriangle(scatter, product, d, from);
  }
}

/** The same where values are to be waited for. */
export async function addScatterLater(
  scatter: Float64Array,
  x: Float32Array,
  d: number,
): Promise<void> {
  if (getBackend() === 'cpu') {
    addOuterProducts(scatter, x, d);
    return;
  }
  for (let from = 0; from < d; from += PRODUCT_ROWS) {
    addTriangle(scatter, await valuesLater(() => innerProducts(x, d, from)), d, from);
  }
}

/** cross += aᵀ b, [d, d], whole. a, b: [rows, d] */
export async function addCrossLater(
  cross: Float64Array,
  a: Float32Array,
  b: Float32Array,
  d: number,
): Promise<void> {
  // tfjs's own product on the cpu backend is slower than loops
  const isCpu = getBackend() === 'cpu';
  const made = isCpu
    ? matmulTransposed(a, b, a.length / d, d, d)
    : await valuesLater(() => products(a, b, d));
  for (let at = 0; at < cross.length; at++) cross[at] = cross[at]! + made[at]!;
}

/** aᵀ b, [d, d]. */
function products(a: Float32Array, b: Float32Array, d: number): Tensor {
  const rows = a.length / d;
  return matMul(transpose(tensor2d(a, [rows, d])), tensor2d(b, [rows, d]));
}

/** Rows of xᵀ x from `from` on, and of them the columns from there on. */
function innerProducts(x: Float32Array, d: number, from: number): Tensor {
  const rows = x.length / d;
  const right = slice(tensor2d(x, [rows, d]), [0, from], [rows, d - from]);
  const left = slice(right, [0, 0], [rows, Math.min(PRODUCT_ROWS, d - from)]);
  return matMul(transpose(left), right);
}

async function valuesLater(make: () => Tensor): Promise<Float32Array> {
  const product = tidy(make);
  try {
    return await fetchValues<'float32'>('calibrate', product);
  } finally {
    product.dispose();
  }
}

function addTriangle(scatter: Float64Array, product: Float32Array, d: number, from: number): void {
  const width = d - from;
  let at = from * d - (from * (from - 1)) / 2;
  for (let i = 0; i < product.length / width; i++) {
    for (let j = i; j < width; j++, at++) scatter[at] = scatter[at]! + product[i * width + j]!;
  }
}

/**
 * Only the upper triangle, four rows of x [rows, d] at a time (rows a multiple of four): tfjs's own
 * product on the cpu backend is slower than that.
 */
function addOuterProducts(scatter: Float64Array, x: Float32Array, d: number): void {
  for (let row = 0; row < x.length; row += 4 * d) {
    for (let i = 0, at = 0; i < d; i++) {
      const a = x[row + i]!;
      const b = x[row + d + i]!;
      const c = x[row + 2 * d + i]!;
      const e = x[row + 3 * d + i]!;
      for (let j = i; j < d; j++, at++) {
        const r = row + j;
        scatter[at] =
          scatter[at]! + (a * x[r]! + b * x[r + d]! + c * x[r + 2 * d]! + e * x[r + 3 * d]!);
      }
    }
  }
}
