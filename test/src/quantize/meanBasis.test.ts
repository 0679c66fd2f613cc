import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { FLOAT32 } from '../../../ops/numerics/formats.js';
import { METHODS } from '../../../src/index.js';
import { quantizeLinear, storedBytes } from '../../../src/quantize/quantizeLinear.js';
import type { WeightSettings } from '../../../src/quantize/settings.js';
import { basisProduct, type Transform } from '../../../src/quantize/transform.js';
import { weightFormat } from '../../harness/numbers/formats.js';
import { normal } from '../../harness/numbers/random.js';

const [D, N] = [24, 40];

/** How weights of so many bits are stored; null for float32. */
function stored(bits: number | null): WeightSettings {
  const format = bits === null ? FLOAT32 : weightFormat(bits, 8);
  return { format, at8Bits: weightFormat(8, 8), clipping: 'none', rounding: null };
}

function transform(rank: number): Transform {
  const parts = { ...METHODS.centered, center: 'dynamic', rotate: false } as const;
  const basis = normal(rank * D, rank);
  return { parts, d: D, sigma: null, mean: null, basis, rank, blockSize: 0, branch: null };
}

/**
 * Rows [rank, n] that the stored basis stands for: row i and, from rank on, what was left of row i
 * − rank.
 */
function restored(rank: number, bits: number | null) {
  const t = transform(rank);
  const w = normal(D * N, 7);
  const quantized = quantizeLinear(t, w, N, stored(bits), null, null);
  const { rows: basis, scale } = quantized.basis!;
  const out = new Float64Array(rank * N);
  basis.values.forEach((v, at) => {
    const row = Math.floor(at / N);
    out[(row % rank) * N + (at % N)]! += v * (scale?.[row] ?? 1);
  });
  return { quantized, rows: out, exact: basisProduct(t, w, N) };
}

describe('The basis of the mean behind the weights', () => {
  before(() => tf.setBackend('cpu'));

  for (const rank of [1, 2, 3, 8]) {
    it(`${rank} rows: the first two to 15 bits, the others to 7, of each row's largest`, () => {
      const { rows, exact, quantized } = restored(rank, 4);
      for (let i = 0; i < rank; i++) {
        const row = exact.subarray(i * N, (i + 1) * N);
        const max = Math.max(...row.map(Math.abs));
        const off = Math.max(...row.map((v, j) => Math.abs(v - rows[i * N + j]!)));
        const step = i < 2 ? 1 / (127 * 127 * 4) : 1 / (127 * 2);
        expect(off / max, `row ${i}`).to.be.at.most(step * 1.01);
        // no finer than it has to be, or the bound shows nothing
        expect(off / max, `row ${i}`).to.be.at.least(step / 8);
      }
      const stored = rank + Math.min(rank, 2);
      expect(quantized.basis!.rows.values.length).to.equal(stored * N);
      expect(quantized.basis!.rows.quantization).to.include({ dtype: 'uint8', min: -1 });
      // a byte a value and a float a row, beside codes, half-precision scales and bias
      const codes = (D * N) / 2 + 2 * (D / 8) * N + 2 * N;
      expect(storedBytes(quantized)).to.equal(codes + stored * (N + 4));
    });
  }

  it('beside float32 weights it is float32', () => {
    const { rows, exact, quantized } = restored(3, null);
    expect([...rows]).to.deep.equal([...exact]);
    const { rows: stored, scale } = quantized.basis!;
    expect([scale, stored.quantization]).to.deep.equal([null, undefined]);
  });

  it('a direction that the weights do not see is a row of zeros', () => {
    const t = transform(2);
    const none = new Float32Array(D * N);
    const weights = stored(4);
    const { basis } = quantizeLinear(t, none, N, weights, null, null);
    expect([...basis!.scale!]).to.deep.equal([0, 0, 0, 0]);
    expect(basis!.rows.values.every(Number.isFinite)).to.equal(true);
  });
});
