import { expect } from 'chai';
import { transformBlocks } from '../../../ops/numerics/fastHadamard.js';
import { normalNumbers } from '../../../ops/numerics/random.js';
import { transpose } from '../../../src/math/matrix.js';
import { rotatedColumns } from '../../../src/quantize/rotatedColumns.js';

/** The same turned as a whole, with a matrix of its own after each step. */
function atOnce(
  w: Float32Array,
  n: number,
  blockSize: number,
  before: Float32Array | null,
  after: Float32Array | null,
  back: boolean,
): Float32Array {
  const d = w.length / n;
  const scaled = (m: Float32Array, by: Float32Array | null) =>
    by === null ? m : m.map((v, at) => v * by[Math.floor(at / n)]!);
  const rows = transpose(scaled(w, before), d, n);
  const rotated = new Float32Array(rows.length);
  transformBlocks(rows, rotated, blockSize, back);
  return scaled(transpose(rotated, n, d), after);
}

describe('Columns rotated in strips', () => {
  it('are those of the whole matrix turned, to the bit', () => {
    const sizes = [
      [12, 1, 4],
      [64, 63, 64],
      [96, 64, 32],
      [48, 65, 12],
      [300, 130, 300],
    ] as const;
    for (const [d, n, blockSize] of sizes) {
      const w = Float32Array.from({ length: d * n }, normalNumbers(d + n));
      const by = Float32Array.from({ length: d }, normalNumbers(5));
      for (const back of [false, true]) {
        for (const [before, after] of [
          [null, null],
          [by, null],
          [null, by],
        ] as const) {
          const made = rotatedColumns(w, n, { blockSize, before, after, back });
          expect(made).to.deep.equal(atOnce(w, n, blockSize, before, after, back));
        }
      }
    }
  });
});
