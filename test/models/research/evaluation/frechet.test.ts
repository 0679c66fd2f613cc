import { expect } from 'chai';
import { symmetricEigenvalues } from '../../../../models/research/evaluation/eigenvalues.js';
import { frechetDistance, gaussianOf } from '../../../../models/research/evaluation/frechet.js';
import { HadaNormError, InvalidArgumentError } from '../../../../src/index.js';
import { normal } from '../../../harness/numbers/random.js';

/** A symmetric matrix of normal numbers. */
function symmetric(n: number, seed: number): Float64Array {
  const values = normal(n * n, seed);
  return Float64Array.from(values, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return values[i * n + j]! + values[j * n + i]!;
  });
}

function product(a: Float64Array, b: Float64Array, n: number): Float64Array {
  return Float64Array.from(a, (_, at) => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += a[Math.floor(at / n) * n + k]! * b[k * n + (at % n)]!;
    return sum;
  });
}

function transposed(a: Float64Array, n: number): Float64Array {
  return a.map((_, at) => a[(at % n) * n + Math.floor(at / n)]!);
}

function diagonal(values: readonly number[]): Float64Array {
  const n = values.length;
  const matrix = new Float64Array(n * n);
  values.forEach((value, i) => {
    matrix[i * n + i] = value;
  });
  return matrix;
}

/** A rotation by 1, 2, … radians in each plane of neighbours. */
function rotation(n: number): Float64Array {
  let transposed = diagonal(Array.from({ length: n }, () => 1));
  for (let i = 0; i + 1 < n; i++) {
    const plane = diagonal(Array.from({ length: n }, () => 1));
    const [sine, cosine] = [Math.sin(i + 1), Math.cos(i + 1)];
    plane[i * n + i] = cosine;
    plane[i * n + i + 1] = -sine;
    plane[(i + 1) * n + i] = sine;
    plane[(i + 1) * n + i + 1] = cosine;
    transposed = product(transposed, plane, n);
  }
  return transposed;
}

describe('Eigenvalues of symmetric matrices', () => {
  const sorted = (values: Float64Array) => [...values].sort((a, b) => a - b);

  for (const n of [1, 2, 3, 7, 128]) {
    it(`of second differences, ${n}, are 2 − 2 cos(kπ / (n + 1))`, () => {
      const matrix = Float64Array.from({ length: n * n }, (_, at) => {
        const apart = Math.abs(Math.floor(at / n) - (at % n));
        return apart === 0 ? 2 : apart === 1 ? -1 : 0;
      });
      const copy = matrix.slice();
      sorted(symmetricEigenvalues(matrix, n)).forEach((value, k) => {
        const expected = 2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1));
        expect(value).to.be.closeTo(expected, 1e-12);
      });
      expect(matrix, 'the matrix itself').to.deep.equal(copy);
    });
  }

  it('their powers add up to the traces of the matrix’s powers', () => {
    const n = 40;
    const matrix = symmetric(n, 5);
    const values = symmetricEigenvalues(matrix, n);
    let power = matrix;
    for (let exponent = 1; exponent <= 4; exponent++) {
      let trace = 0;
      for (let i = 0; i < n; i++) trace += power[i * n + i]!;
      const sum = values.reduce((all, value) => all + value ** exponent, 0);
      const size = values.reduce((all, value) => all + Math.abs(value) ** exponent, 0);
      expect(Math.abs(sum - trace) / size, `power ${exponent}`).to.be.below(1e-13);
      power = product(power, matrix, n);
    }
  });

  it('of a rotated diagonal are the diagonal, repeated ones and zeros too', () => {
    const values = [0, 0, 1e-6, 1, 1, 1, 5, 1e6];
    const n = values.length;
    const turn = rotation(n);
    const matrix = product(product(turn, diagonal(values), n), transposed(turn, n), n);
    sorted(symmetricEigenvalues(matrix, n)).forEach((value, i) => {
      expect(value).to.be.closeTo(values[i]!, 1e-8);
    });
  });

  it('of nothing but zeros are zeros; NaN is refused', () => {
    expect([...symmetricEigenvalues(new Float64Array(9), 3)]).to.deep.equal([0, 0, 0]);
    const broken = () => symmetricEigenvalues(new Float64Array(9).fill(Number.NaN), 3);
    expect(broken).to.throw(HadaNormError, 'NaN or infinities');
  });
});

describe('Fréchet distance', () => {
  it('of normal distributions with common axes is Σ (√a − √b)² and the means’ distance', () => {
    const [a, b] = [
      [1, 4, 9, 0.25],
      [4, 1, 16, 0],
    ];
    const n = a!.length;
    const turn = rotation(n);
    const about = (values: readonly number[], shift: number) => ({
      mean: new Float64Array(n).fill(shift),
      covariance: product(product(turn, diagonal(values), n), transposed(turn, n), n),
    });
    const expected = a!.reduce((sum, v, i) => sum + (Math.sqrt(v) - Math.sqrt(b![i]!)) ** 2, 0);
    const [first, second] = [about(a!, 0), about(b!, 0.5)];
    expect(frechetDistance(first, second)).to.be.closeTo(expected + n * 0.25, 1e-6);
    expect(frechetDistance(second, first), 'turned around').to.be.closeTo(expected + 1, 1e-6);
  });

  it('of a 2×2 case without common axes is its closed form', () => {
    // tr √(AB) = √(tr AB + 2 √det AB) for 2×2
    const a = Float64Array.of(2, 0.5, 0.5, 1);
    const b = Float64Array.of(1, -0.3, -0.3, 3);
    const ab = product(a, b, 2);
    const root = Math.sqrt(ab[0]! + ab[3]! + 2 * Math.sqrt(ab[0]! * ab[3]! - ab[1]! * ab[2]!));
    const mean = new Float64Array(2);
    const distance = frechetDistance({ mean, covariance: a }, { mean, covariance: b });
    expect(distance).to.be.closeTo(3 + 4 - 2 * root, 1e-12);
  });

  it('of a distribution to itself is 0, of full rank or of fewer rows than columns', () => {
    for (const rows of [200, 5]) {
      const own = gaussianOf(normal(rows * 12, 3), 12);
      expect(frechetDistance(own, own)).to.be.closeTo(0, 1e-6);
    }
  });
});

describe('Mean and covariance', () => {
  const WIDTH = 3;
  const features = normal(7 * WIDTH, 9, 2, 3);

  it('are the plain sums, over n − 1', () => {
    const { mean, covariance } = gaussianOf(features, WIDTH);
    for (let i = 0; i < WIDTH; i++) {
      const column = (c: number) =>
        Array.from({ length: 7 }, (_, row) => features[row * WIDTH + c]!);
      const average = column(i).reduce((sum, v) => sum + v, 0) / 7;
      expect(mean[i]).to.be.closeTo(average, 1e-6);
      for (let j = 0; j < WIDTH; j++) {
        const products = column(i).map((v, row) => (v - mean[i]!) * (column(j)[row]! - mean[j]!));
        const expected = products.reduce((sum, v) => sum + v, 0) / 6;
        expect(covariance[i * WIDTH + j]).to.be.closeTo(expected, 1e-9);
      }
    }
  });

  it('with counts are those of rows repeated', () => {
    const counts = Float32Array.of(0, 2, 1, 0, 3, 1, 0);
    const repeated = [...counts].flatMap((count, row) =>
      Array.from({ length: count }, () => [...features.subarray(row * WIDTH, (row + 1) * WIDTH)]),
    );
    const expected = gaussianOf(Float32Array.from(repeated.flat()), WIDTH);
    const got = gaussianOf(features, WIDTH, counts);
    expected.covariance.forEach((value, i) => {
      expect(got.covariance[i]).to.be.closeTo(value, 1e-9);
    });
    expected.mean.forEach((value, i) => {
      expect(got.mean[i]).to.be.closeTo(value, 1e-9);
    });
  });

  it('of one row, or of half a row, are refused', () => {
    expect(() => gaussianOf(new Float32Array(3), 3)).to.throw(InvalidArgumentError, 'two rows');
    expect(() => gaussianOf(new Float32Array(7), 3)).to.throw(InvalidArgumentError, 'two rows');
  });
});
