import fc from 'fast-check';
import type { RelaxedDot } from '../../../ops/wasm/instance/relaxedDot.js';
import type { Codes, Product } from './wasmProduct.js';

/** Where the work is cut: into one range, two, or more of any size, some of them empty. */
export const cuts = fc
  .array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })
  .map((parts) => parts.sort((a, b) => a - b));

const integer = (min: number, max: number) => fc.integer({ min, max });

/**
 * Whole, a multiple of 4, or any: with those that end within four neighbours the product is one of
 * floats.
 */
const groupSizes = fc.oneof(
  { arbitrary: fc.constant(1000), weight: 2 },
  { arbitrary: integer(1, 30).map((quarter) => 4 * quarter), weight: 3 },
  { arbitrary: integer(1, 99), weight: 1 },
);
const someCodes = fc.constantFrom('any', 'any', 'any', 'low', 'high', 'ends', 'topTwo');
const magnitudes = fc.constantFrom(null, 1, 1e-12, 1e12);

/** Any product, with numbers from next to nothing to far beyond what occurs. */
export const products: fc.Arbitrary<Product> = fc
  .record({
    samples: integer(1, 3),
    tokens: integer(1, 7),
    k: fc.oneof(integer(1, 40), integer(41, 200)),
    n: integer(1, 40),
    bits: fc.constantFrom(2, 3, 4, 4, 5, 6, 7, 8, 8, 32),
    groupSize: groupSizes,
    xBits: fc.constantFrom(0, 2, 3, 4, 5, 6, 7, 8, 8, 8),
    xGroupSize: groupSizes,
    codes: someCodes,
    xCodes: someCodes,
    zeroPoints: fc.constantFrom('any', 'low', 'high'),
    intCodes: fc.boolean(),
    scales: magnitudes,
    xScales: magnitudes,
    residual: fc.constantFrom(null, null, 0, 1e-35, 1e-20, 1, 1e20),
    rank: integer(0, 3),
    basisRows: integer(0, 3),
    alongRank: fc.constantFrom(0, 0, 1, 3, 16, 33),
    alongRows: integer(0, 3),
    bias: fc.boolean(),
    activation: fc.constantFrom('none', 'none', 'gelu', 'geluTanh', 'silu', 'relu'),
    seed: integer(1, 1e6),
  })
  .map((given) => {
    const { k, bits, rank, alongRank } = given;
    const groupSize = bits === 32 ? k : Math.min(given.groupSize, k);
    const xGroupSize = given.xBits === 0 ? k : Math.min(given.xGroupSize, k);
    return {
      ...given,
      groupSize,
      xGroupSize,
      basisRows: rank + Math.min(rank, given.basisRows),
      alongRows: alongRank + Math.min(alongRank, given.alongRows),
    } as Product;
  });

/**
 * Codes that every kernel for codes takes: 8-bit weights go through 7-bit operands only where half
 * of them occur.
 */
export const forAllVariants = fc
  .record({
    given: products,
    variant: fc.constantFrom('pairs' as const, 'signed' as const, 'unsigned' as const),
  })
  .map(({ given, variant }) => {
    const bits = given.bits === 32 ? 8 : given.bits;
    const half = variant === 'unsigned' ? 'lower' : 'upper';
    const codes = bits === 8 ? half : given.codes;
    const groupSize = Math.min(given.k, 4 * Math.ceil(given.groupSize / 4));
    const xGroupSize = Math.min(given.k, 4 * Math.ceil(given.xGroupSize / 4));
    const formats = { bits, codes, groupSize, xGroupSize, xBits: given.xBits || 8 };
    // floats are rounded as often as the module's instructions have it
    const none = { activation: 'none', alongRank: 0, alongRows: 0 } as const;
    return { variant, given: { ...given, ...formats, ...none } as Product };
  });

const LONG: Product = {
  ...{ samples: 1, tokens: 5, k: 1200, n: 9, bits: 8, groupSize: 5000, xBits: 8, xGroupSize: 5000 },
  ...{
    codes: 'any',
    xCodes: 'any',
    zeroPoints: 'any',
    intCodes: false,
    scales: null,
    xScales: null,
  },
  ...{
    residual: null,
    rank: 0,
    basisRows: 0,
    alongRank: 0,
    alongRows: 0,
    bias: false,
    activation: 'none',
    seed: 1,
  },
};

/** Codes of weights and activations, and zero points. */
const EXTREMES: readonly (readonly [Codes, Codes, Product['zeroPoints']])[] = [
  ['high', 'high', 'low'],
  ['low', 'high', 'low'],
  ['low', 'low', 'high'],
  ['high', 'low', 'high'],
  ['ends', 'ends', 'high'],
  // small differences of large sums
  ['any', 'topTwo', 'high'],
  ['high', 'topTwo', 'high'],
  ['low', 'topTwo', 'high'],
  ['upper', 'topTwo', 'high'],
  ['lower', 'low', 'low'],
];

/**
 * Reductions of one segment and of two, of several in a chunk, of several chunks; groups of either
 * side the longer ones.
 */
const LONG_SIZES = [
  [1152, 1152, 1152],
  [1153, 1153, 1153],
  [2500, 2500, 2500],
  [2308, 1156, 2308],
  [1600, 64, 1600],
  [1200, 1200, 400],
] as const;

const FORMATS = [
  [7, 8],
  [4, 8],
  [7, 7],
  [3, 4],
] as const;

/**
 * Reductions as long as a DiT's, with sums at the ends of 16 and 32 bits; for 8-bit weights only
 * codes that `relaxed` takes.
 */
export function longProducts(relaxed: RelaxedDot | null | undefined): Product[] {
  const half: readonly Codes[] = relaxed === 'signed' ? ['upper', 'high'] : ['lower', 'low'];
  const halved = relaxed === 'signed' || relaxed === 'unsigned';
  return LONG_SIZES.flatMap(([k, groupSize, xGroupSize], size) =>
    EXTREMES.flatMap(([codes, xCodes, zeroPoints], extreme) => {
      const formats = [FORMATS[(size + extreme) % FORMATS.length]!];
      const eight = [8, 8] as const;
      const taken = halved && !half.includes(codes) ? formats : [eight, ...formats];
      return taken.map(([bits, xBits]) => {
        const sizes = { k, groupSize, xGroupSize, bits, xBits };
        return { ...LONG, ...sizes, codes, xCodes, zeroPoints };
      });
    }),
  );
}
