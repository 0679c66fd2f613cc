import { expect } from 'chai';
import { codeRange } from '../../../ops/numerics/formats.js';
import { searchedInWasm } from '../../../src/quantize/scaleModule.js';
import { ScaleSearch } from '../../../src/quantize/scaleSearch.js';
import { weightQuantizer } from '../../harness/numbers/formats.js';
import { normal } from '../../harness/numbers/random.js';

/** Groups: rows and columns. Beyond 2^18 numbers they are searched in parts. */
const SHAPES = [
  [64, 4],
  [1, 5],
  [3, 9],
  [63, 7],
  [66, 131],
  [4100, 67],
] as const;

/** Columns of halves, of what is too small and too large for them, of zeros, and of one number. */
function weights(rows: number, n: number, seed: number): Float32Array {
  const factor = [1, 2 ** -20, 2 ** 18, 0, 2 ** -160, 1e-3];
  return normal(rows * n, seed).map((v, at) => {
    const column = at % n;
    return column % 7 === 6 ? 0.75 : v * factor[column % 7]!;
  });
}

describe('The search for scales', () => {
  for (const bits of [2, 3, 4, 6, 8]) {
    it(`${bits} bits: in WASM as in loops, to the bit`, () => {
      const quantizer = weightQuantizer(bits, 64, 'search');
      const search = new ScaleSearch(quantizer);
      for (const [rows, n] of SHAPES) {
        const values = weights(rows, n, bits + rows);
        const scales = new Float32Array(n).fill(Number.NaN);
        const { qMin, qMax } = codeRange(quantizer.format);
        const tried = { factors: search.factors, qMin, qMax };
        expect(searchedInWasm(values, rows, n, scales, tried)).to.equal(true);
        const column = new Float64Array(rows);
        const wanted = Float32Array.from({ length: n }, (_, j) => {
          for (let r = 0; r < rows; r++) column[r] = values[r * n + j]!;
          return search.best(column, rows);
        });
        expect(scales, `${rows} × ${n}`).to.deep.equal(wanted);
      }
    });
  }

  it('of what is no number it says what the loops say', () => {
    const search = new ScaleSearch(weightQuantizer(4, 64, 'search'));
    const values = normal(8 * 4, 1);
    values.set([Number.NaN, Number.POSITIVE_INFINITY, -1e38, 1e-45], 8);
    const scales = new Float32Array(4);
    search.columns(values, 8, 4, scales);
    const wanted = [0, 1, 2, 3].map((j) =>
      search.best(
        Float64Array.from({ length: 8 }, (_, r) => values[r * 4 + j]!),
        8,
      ),
    );
    expect([...scales]).to.deep.equal([...Float32Array.from(wanted)]);
  });

  it('fewer than four columns are searched in loops', () => {
    const search = new ScaleSearch(weightQuantizer(4, 64, 'search'));
    const values = normal(64 * 3, 1);
    const scales = new Float32Array(3);
    const { factors } = search;
    expect(searchedInWasm(values, 64, 3, scales, { factors, qMin: -8, qMax: 7 })).to.equal(false);
    search.columns(values, 64, 3, scales);
    expect(scales.every((scale) => scale !== 0)).to.equal(true);
  });
});
