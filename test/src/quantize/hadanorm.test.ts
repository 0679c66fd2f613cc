import { expect } from 'chai';
import fc from 'fast-check';
import type { UniformFormat } from '../../../ops/numerics/formats.js';
import * as heart from '../../../src/quantize/hadanorm.js';
import { rowsOf } from '../../harness/models/heart.js';
import { normal } from '../../harness/numbers/random.js';

/** Relative rounding error of float64. */
const EPS64 = 2 ** -53;

const exponents = fc.integer({ min: 0, max: 5 });
const widths = fc
  .tuple(fc.constantFrom(1, 12, 20, 28), exponents)
  .map(([m, k]) => m * 2 ** k)
  .filter((d) => d <= 160);
const cases = widths.chain((d) =>
  fc.record({
    d: fc.constant(d),
    n: fc.integer({ min: 1, max: 9 }),
    tokens: fc.integer({ min: 1, max: 9 }),
    rank: fc.integer({ min: 0, max: Math.min(d, 5) }),
    blocks: fc.constantFrom(...[1, 2, 4].filter((count) => d % (4 * count) === 0 || count === 1)),
    seed: fc.nat(),
  }),
);

const PER_TOKEN: UniformFormat = {
  ...{ kind: 'uniform', bits: 8, codes: 'unsigned', granularity: { kind: 'perToken' } },
};

describe('HadaNorm, equation by equation', () => {
  it('nothing quantized is X W + b, whatever σ, H, μ̄ and B are', () => {
    fc.assert(
      fc.property(cases, ({ d, n, tokens, rank, blocks, seed }) => {
        const numbers = (count: number, i: number) => normal(count, seed + i);
        const x = rowsOf(numbers(tokens * d, 1), d);
        const w = rowsOf(numbers(d * n, 2), n);
        const [bias, mean] = [[...numbers(n, 3)], [...numbers(d, 4)]];
        const sigma = [...numbers(d, 5)].map((v) => Math.sign(v) * 2 ** v);
        const basis = rowsOf(numbers(rank * d, 6), d).map((row) =>
          row.map((v) => v / Math.hypot(...row)),
        );
        const t = { sigma, h: heart.hadamard(d, d / blocks), mean, basis };
        const y = heart.hadanorm(x, w, bias, t);
        const size = (row: heart.Vector) => Math.hypot(...row.map((v, c) => v / sigma[c]!));
        const xSize = Math.max(...x.map(size)) + size(mean);
        x.forEach((row, token) => {
          for (let j = 0; j < n; j++) {
            const exact = row.reduce((sum, v, k) => sum + v * w[k]![j]!, bias[j]!);
            const wSize = Math.hypot(...w.map((r, k) => r[j]! * sigma[k]!));
            // sums over d in H, W' and their product, whose magnitudes H makes √d larger at most;
            // what each direction of B takes out comes back
            const bound = 4 * EPS64 * (d + 8) * Math.sqrt(d) * (1 + rank) * xSize * wSize;
            expect(Math.abs(y[token]![j]! - exact)).to.be.at.most(bound + 8 * EPS64);
          }
        });
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  it('the rotation is orthonormal, block by block', () => {
    for (const [d, blockSize] of [
      [1, 1],
      [12, 12],
      [40, 20],
      [64, 16],
      [56, 28],
    ] as const) {
      const h = heart.hadamard(d, blockSize);
      h.forEach((a, i) => {
        h.forEach((b, j) => {
          const dot = a.reduce((sum, v, c) => sum + v * b[c]!, 0);
          expect(Math.abs(dot - (i === j ? 1 : 0))).to.be.at.most(EPS64 * 2 * d);
        });
        expect(a.filter((v) => v !== 0).length).to.equal(blockSize);
      });
    }
  });

  it('padded tokens do not move the mean of those that count', () => {
    const x = rowsOf(normal(5 * 3, 1), 3);
    const counts = [true, false, true, true, false];
    const kept = x.filter((_, i) => counts[i]);
    expect(heart.tokenMean(x, counts)).to.deep.equal(heart.tokenMean(kept));
    const poisoned = x.map((row, i) => (counts[i] ? row : row.map(() => Number.NaN)));
    expect(heart.tokenMean(poisoned, counts)).to.deep.equal(heart.tokenMean(kept));
  });

  it('no scale gives a smaller product of errors than the balanced one', () => {
    const [d, n] = [6, 5];
    const w = rowsOf(normal(d * n, 2), n);
    const std = [...normal(d, 3)].map((v) => Math.abs(v) + 0.1);
    const costs = (sigma: heart.Vector) => {
      const ofX = std.reduce((sum, s, c) => sum + (s / sigma[c]!) ** 2, 0);
      return ofX * w.reduce((sum, row, c) => sum + (Math.hypot(...row) * sigma[c]!) ** 2, 0);
    };
    const signs = std.map(() => 1);
    const least = costs(heart.balancedScale(std, w, signs));
    for (let i = 0; i < 50; i++) {
      const others = [...normal(d, 10 + i)].map((v) => 2 ** v);
      expect(costs(others)).to.be.at.least(least * (1 - 1e-12));
    }
  });

  it('codes are the nearest there are, and 0 has one', () => {
    const values = [-1, -0.26, 0, 0.5, 2.1];
    for (const codes of ['unsigned', 'symmetric', 'signed'] as const) {
      const format = { ...PER_TOKEN, bits: 4, codes } as const;
      const q = heart.quantize(values, format);
      const back = heart.dequantize(q);
      back.forEach((v, i) => {
        expect(Math.abs(v - values[i]!)).to.be.at.most(q.scale * (codes === 'unsigned' ? 1 : 0.5));
      });
      expect(back[2]! + 0).to.equal(0);
      expect(heart.dequantize(heart.quantize([0, 0], format))).to.deep.equal([0, 0]);
    }
  });
});
