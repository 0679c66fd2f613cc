import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import type { HadaNormQuantizeAttrs } from '../../../ops/hadaNormQuantize/contract.js';
import { hadaNormQuantizeReference } from '../../../ops/hadaNormQuantize/reference.js';
import { nearestCode, quantizationParameters } from '../../../ops/numerics/formats.js';
import '../../harness/backends/backends.js';
import { EPS, expectWithin, maxMagnitude } from '../../harness/numbers/compare.js';
import { channelGroups } from '../../harness/numbers/formats.js';
import { cuts } from '../../harness/wasm/wasmProductCases.js';
import {
  chain,
  type Quantization,
  type Quantized,
  quantizationNumbers,
  quantize,
} from '../../harness/wasm/wasmQuantize.js';

const integer = (min: number, max: number) => fc.integer({ min, max });

/** Rows of any length without a rotation, of one block, or of several. */
const rows = fc.oneof(
  fc.record({ d: integer(1, 70), blockSize: fc.constant(0) }),
  fc
    .record({
      blockSize: fc.constantFrom(
        1,
        2,
        4,
        8,
        12,
        16,
        20,
        24,
        28,
        32,
        48,
        64,
        96,
        128,
        144,
        160,
        252,
        264,
        384,
      ),
      blocks: fc.constantFrom(1, 1, 1, 2, 3),
    })
    .map(({ blockSize, blocks }) => ({ d: blocks * blockSize, blockSize })),
);

/** What makes a group NaN, or its codes reach their ends. */
const oddities = fc.oneof(
  {
    arbitrary: fc.constantFrom(0, -0, 1e-40, -(2 ** -121), 3.4028234e38, -3.4028234e38),
    weight: 3,
  },
  {
    arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    weight: 1,
  },
);

const quantizations: fc.Arbitrary<Quantization> = fc
  .record({
    rows,
    samples: integer(1, 3),
    tokens: integer(1, 9),
    bits: integer(2, 8),
    symmetric: fc.boolean(),
    groupSize: fc.oneof(fc.constant(1000), integer(1, 100)),
    range: fc.constantFrom(null, null, null, [-1, 2], [0, 0], [-3, -1], [0.5, 3], [1, 1e30]),
    center: fc.constantFrom(
      'none' as const,
      'static' as const,
      'dynamic' as const,
      'dynamic' as const,
    ),
    scaled: fc.boolean(),
    mean: fc.boolean(),
    rank: integer(0, 3),
    alongRank: fc.constantFrom(0, 0, 1, 3, 8, 16, 33),
    subtract: fc.boolean(),
    std: fc.constantFrom(1, 1, 1, 1e-37, 1e30),
    odd: fc.array(fc.tuple(fc.nat(), oddities), { maxLength: 2 }),
    seed: integer(1, 1e6),
  })
  .map(({ rows: { d, blockSize }, bits, symmetric, groupSize, range, center, ...others }) => {
    const attrs: HadaNormQuantizeAttrs = {
      format: channelGroups(bits, symmetric, Math.min(groupSize, d)),
      ...{ center, blockSize, subtract: others.subtract },
      range: range === null ? null : { min: range[0]!, max: range[1]! },
    };
    const rank = center === 'dynamic' ? others.rank : 0;
    const mean = center === 'static' || (center === 'dynamic' && others.mean);
    return { ...others, d, attrs, rank, mean };
  });

/** Groups of a row, as [first element, after the last]. */
function groupsOf({ samples, tokens, d, attrs }: Quantization): [number, number][] {
  const { groupSize } = attrs.format.granularity;
  return Array.from({ length: samples * tokens }, (_, row) => row * d).flatMap((start) =>
    Array.from({ length: Math.ceil(d / groupSize) }, (_, g): [number, number] => [
      start + g * groupSize,
      start + Math.min(d, (g + 1) * groupSize),
    ]),
  );
}

describe('The WASM kernel of HadaNormQuantize', () => {
  before(async () => {
    await tf.setBackend('wasm');
  });

  it('stays within its tensors, however it is cut, with the bits of the ops it fuses', () => {
    const property = fc.property(quantizations, cuts, integer(0, 20), (given, at, atEnd) => {
      const numbers = quantizationNumbers(given);
      const whole = quantize(given, numbers, []);
      expect(quantize(given, numbers, at, { atEnd })).to.deep.equal(whole);
      // what is subtracted is rounded on its way
      if (given.alongRank > 0 && given.attrs.subtract) return;
      expectChain(given, whole, chain(given, numbers));
    });
    fc.assert(property, { seed: 31, numRuns: 400 });
  });

  it('gives what is left of the means, their coefficients, and what goes along', () => {
    const property = fc.property(quantizations, (given) => {
      fc.pre(given.attrs.center === 'dynamic');
      const plain = { ...given, std: 1, odd: [] };
      const { tokens, d, attrs } = plain;
      const subtract = plain.alongRank > 0 && attrs.subtract === true;
      const numbers = quantizationNumbers(plain);
      const { residual, coefficients, along } = quantize(plain, numbers, []);
      const exact = hadaNormQuantizeReference({ ...numbers, subtract }, tokens, d, attrs);
      // sums over the tokens, over the channels, and over a block
      const bound = EPS * (tokens + d + 8) * 2 * Math.max(1, maxMagnitude(exact.residual));
      expectWithin(residual, exact.residual, bound);
      expectWithin(coefficients, exact.coefficients, bound);
      expectWithin(along, exact.along, bound * Math.max(1, maxMagnitude(exact.along)));
    });
    fc.assert(property, { seed: 32, numRuns: 150 });
  });
});

function expectChain(
  given: Quantization,
  { codes, scale, zeroPoint }: Quantized,
  { transformed, quantized }: ReturnType<typeof chain>,
): void {
  const { format, range } = given.attrs;
  const offset = format.codes === 'symmetric' ? 2 ** (format.bits - 1) : 0;
  groupsOf(given).forEach(([begin, end], g) => {
    const own = quantized.subarray(begin, end);
    if (own.some(Number.isNaN)) {
      const nothing = [scale[g], zeroPoint[g], ...codes.subarray(begin, end)];
      expect(nothing).to.deep.equal([Number.NaN, 0, ...own.map(() => 0)]);
      return;
    }
    const values = transformed.subarray(begin, end);
    const ends =
      range === null ? [Math.min(...values), Math.max(...values)] : [range.min, range.max];
    const [lo, hi] = [
      Float32Array.of(Math.min(ends[0]!, 0)),
      Float32Array.of(Math.max(ends[1]!, 0)),
    ];
    const parameters = quantizationParameters(format, { lo, hi });
    const origin = parameters.zeroPoint[0]! + offset;
    expect([scale[g], zeroPoint[g]]).to.deep.equal([parameters.scale[0], origin]);
    const [low, high] = [parameters.low[0]!, parameters.high[0]!];
    const off = own.findIndex((y, i) => {
      const code = codes[begin + i]! - origin;
      const expected = nearestCode(Math.fround(values[i]! / scale[g]!), low, high);
      // 0 for −0, whose sign is not part of the contract
      return code !== expected || y !== Math.fround(scale[g]! * code);
    });
    expect(off < 0 ? null : [g, off, values[off], own[off], codes[begin + off]]).to.equal(null);
  });
}
