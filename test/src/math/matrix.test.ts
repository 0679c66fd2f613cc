import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { leadingRightVectors } from '../../../src/math/lowRank.js';
import {
  factorUpper,
  fetched,
  matmul,
  matmulTransposed,
  transpose,
} from '../../../src/math/matrix.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { EPS } from '../../harness/numbers/compare.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const EPS64 = 2 ** -53;

describeOnBackends('Products of matrices', () => {
  // the last two are large enough for the backend's own product
  for (const [m, k, n] of [
    [1, 1, 1],
    [3, 5, 2],
    [2, 7, 9],
    [17, 4, 1],
    [40, 50, 60],
    [33, 130, 65],
  ] as const) {
    it(`[${m}, ${k}] · [${k}, ${n}] and its transposed form are right to k roundings`, () => {
      const a = normal(m * k, 1);
      const b = normal(k * n, 2);
      expectNoLeak(() => {
        const products = [matmul(a, b, m, k, n), matmulTransposed(transpose(a, m, k), b, k, m, n)];
        for (const y of products) {
          expect(y).to.have.lengthOf(m * n);
          for (let i = 0; i < m; i++) {
            for (let j = 0; j < n; j++) {
              let [sum, magnitude] = [0, 0];
              for (let p = 0; p < k; p++) {
                const term = a[i * k + p]! * b[p * n + j]!;
                sum += term;
                magnitude += Math.abs(term);
              }
              expect(Math.abs(y[i * n + j]! - sum)).to.be.at.most((k + 1) * EPS * magnitude);
            }
          }
        }
      });
    });
  }

  it('fetched gives the values and leaves nothing', () => {
    expectNoLeak(() => {
      expect(fetched('a test', () => tf.add([1, 2], [3, 4]))).to.deep.equal(Float32Array.of(4, 6));
    });
  });
});

describe('Matrices', () => {
  it('a transpose has rows for columns, and twice it is the matrix again', () => {
    const a = Float64Array.of(1, 2, 3, 4, 5, 6);
    expect(transpose(a, 2, 3)).to.deep.equal(Float64Array.of(1, 4, 2, 5, 3, 6));
    expect(transpose(transpose(a, 2, 3), 3, 2)).to.deep.equal(a);
  });

  it('U Uᵀ is H to d roundings, U upper triangular, below it nothing changes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 24 }), fc.nat(1000), (d, seed) => {
        const h = definite(d, seed);
        const u = h.slice();
        expect(factorUpper(u, d)).to.equal(true);
        for (let i = 0; i < d; i++) {
          expect(u[i * d + i]).to.be.above(0);
          for (let j = 0; j < i; j++) expect(u[i * d + j]).to.equal(h[i * d + j]);
          for (let j = i; j < d; j++) {
            let [sum, magnitude] = [0, 0];
            for (let k = j; k < d; k++) {
              const term = u[i * d + k]! * u[j * d + k]!;
              sum += term;
              magnitude += Math.abs(term);
            }
            const bound = (d + 3) * EPS64 * magnitude;
            expect(Math.abs(sum - h[i * d + j]!), `[${i}, ${j}]`).to.be.at.most(bound);
          }
        }
      }),
    );
  });

  for (const [what, h] of [
    ['singular', [1, 1, 1, 1]],
    ['indefinite', [1, 2, 2, 1]],
    ['negative', [-1, 0, 0, 1]],
    ['zero', [0, 0, 0, 0]],
    ['NaN', [Number.NaN, 0, 0, 1]],
  ] as const) {
    it(`a ${what} matrix is not factored`, () => {
      expect(factorUpper(Float64Array.from(h), 2)).to.equal(false);
    });
  }
});

describe('Leading right singular vectors', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  it('are the axes of a matrix that is made of them, largest first', () => {
    // rows: 5 along e2, 3 along (e0 + e3) / √2, 1 along e1
    const s = Math.SQRT1_2;
    const a = Float32Array.from([0, 0, 5, 0, 3 * s, 0, 0, 3 * s, 0, 1, 0, 0]);
    const vectors = leadingRightVectors(a, 3, 4, 3);
    const expected = [0, 0, 1, 0, s, 0, 0, s, 0, 1, 0, 0];
    for (let r = 0; r < 3; r++) {
      const sign = Math.sign(vectors.subarray(4 * r, 4 * r + 4).reduce((x, y) => x + y));
      for (let c = 0; c < 4; c++) {
        expect(vectors[4 * r + c]! * sign, `vector ${r}`).to.be.closeTo(expected[4 * r + c]!, 1e-4);
      }
    }
  });

  it('are orthonormal, the same at each call, and hold as much as the definition allows', () => {
    const [m, n, r] = [30, 12, 4];
    const a = normal(m * n, 3);
    const vectors = leadingRightVectors(a, m, n, r);
    expect(leadingRightVectors(a, m, n, r)).to.deep.equal(vectors);
    for (let i = 0; i < r; i++) {
      for (let j = 0; j <= i; j++) {
        let dot = 0;
        for (let c = 0; c < n; c++) dot += vectors[i * n + c]! * vectors[j * n + c]!;
        expect(dot).to.be.closeTo(i === j ? 1 : 0, 1e-5);
      }
    }
    // no other r directions hold more of the matrix than the leading ones: not those of random
    // matrices
    const energy = (rows: Float32Array) =>
      matmul(a, transpose(rows, r, n), m, n, r).reduce((sum, v) => sum + v * v, 0);
    for (let seed = 0; seed < 20; seed++) {
      const other = leadingRightVectors(normal(r * n, seed), r, n, r);
      expect(energy(other)).to.be.below(energy(vectors));
    }
  });

  it('beyond the rank of the matrix are zero', () => {
    const a = Float32Array.from({ length: 12 }, (_, i) => (1 + Math.floor(i / 4)) * ((i % 4) + 1));
    const vectors = leadingRightVectors(a, 3, 4, 3);
    const norm = Math.sqrt(30);
    for (let c = 0; c < 4; c++) {
      expect(Math.abs(vectors[c]!)).to.be.closeTo((c + 1) / norm, 1e-5);
    }
    expect([...vectors.subarray(4)].every((v) => v === 0)).to.equal(true);
    expect([...leadingRightVectors(new Float32Array(6), 2, 3, 2)]).to.deep.equal([
      0, 0, 0, 0, 0, 0,
    ]);
  });
});

/** Symmetric and well enough conditioned. */
function definite(d: number, seed: number): Float64Array {
  const a = normal(d * d, seed);
  const h = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      let sum = i === j ? 0.1 : 0;
      for (let k = 0; k < d; k++) sum += a[i * d + k]! * a[j * d + k]!;
      h[i * d + j] = sum;
    }
  }
  return h;
}
