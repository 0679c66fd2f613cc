import { expect } from 'chai';
import {
  innerProducts,
  leadingEigenvectors,
  solveSymmetric,
  timesColumns,
} from '../../../src/math/symmetric.js';
import { normal } from '../../harness/numbers/random.js';

const D = 24;

/** Orthonormal columns [D, D] and eigenvalues that halve. */
function spectrum() {
  const vectors = leadingEigenvectors(gram(normal(D * D, 1), D), D, D);
  const values = Float64Array.from({ length: D }, (_, i) => 2 ** -i);
  const h = new Float64Array(D * D);
  for (let i = 0; i < D; i++) {
    for (let j = 0; j < D; j++) {
      for (let k = 0; k < D; k++) {
        h[i * D + j]! += values[k]! * vectors[i * D + k]! * vectors[j * D + k]!;
      }
    }
  }
  return { vectors, values, h };
}

describe('Symmetric matrices', () => {
  it('the leading eigenvectors are orthonormal, and those of the matrix', () => {
    const { h, values, vectors } = spectrum();
    const r = 5;
    const found = leadingEigenvectors(h, D, r);
    const products = innerProducts(found, found, D, r, r);
    for (let i = 0; i < r; i++) {
      for (let j = 0; j < r; j++) {
        expect(products[i * r + j]).to.be.closeTo(i === j ? 1 : 0, 1e-12);
      }
      let cosine = 0;
      for (let k = 0; k < D; k++) cosine += found[k * r + i]! * vectors[k * D + i]!;
      expect(Math.abs(cosine), `vector ${i}`).to.be.above(1 - 1e-6);
    }
    const image = timesColumns(h, D, found, r);
    const along = innerProducts(found, image, D, r, r);
    for (let i = 0; i < r; i++) expect(along[i * r + i]).to.be.closeTo(values[i]!, 1e-6);
  });

  it('a matrix of low rank has no more of them: zeros follow', () => {
    const rows = normal(2 * D, 3);
    const found = leadingEigenvectors(gram(rows, 2), D, 4);
    const lengths = [0, 1, 2, 3].map((j) => {
      let sum = 0;
      for (let i = 0; i < D; i++) sum += found[i * 4 + j]! ** 2;
      return Math.round(sum * 1e6) / 1e6;
    });
    expect(lengths).to.deep.equal([1, 1, 0, 0]);
  });

  it('solves, and gives zeros for a direction that the matrix lacks', () => {
    const a = gram(normal(9 * 4, 5), 9, 4);
    const x = Float64Array.from(normal(4 * 3, 6));
    const b = timesColumns(a, 4, x, 3);
    solveSymmetric(a, b, 4, 3).forEach((v, i) => {
      expect(v).to.be.closeTo(x[i]!, 1e-9);
    });
    const singular = Float64Array.from([2, 0, 0, 0]);
    const [first, second] = solveSymmetric(singular, Float64Array.from([4, 7]), 2, 1);
    expect(first).to.be.closeTo(2, 1e-12);
    expect(second).to.equal(0);
  });
});

/** Σ xᵀx over rows [count, d]. */
function gram(rows: Float32Array, count: number, d = D): Float64Array {
  const h = new Float64Array(d * d);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < d; i++) {
      for (let j = 0; j < d; j++) h[i * d + j]! += rows[row * d + i]! * rows[row * d + j]!;
    }
  }
  return h;
}
