import type * as tf from '@tensorflow/tfjs';
import { packCodes } from '../../../ops/numerics/packing.js';
import type { Activation, QuantizedMatMulInputs } from '../../../ops/quantizedMatMul/contract.js';
import { quantizedMatMulOnWasm } from '../../../ops/quantizedMatMul/wasm.js';
import { type ProductSides, productFormats } from '../numbers/formats.js';
import { normal, uniform } from '../numbers/random.js';
import { GuardedWasm, type GuardOptions, type TensorValues } from './guardedWasm.js';

/** Which of the possible codes occur; 'upper' and 'lower' are halves of them. */
export type Codes = 'any' | 'low' | 'high' | 'ends' | 'topTwo' | 'upper' | 'lower';

/** A product: sizes, formats, and what its numbers are like. */
export interface Product extends ProductSides {
  readonly samples: number;
  readonly tokens: number; // of a sample
  readonly k: number;
  readonly n: number;
  readonly codes: Codes;
  readonly xCodes: Codes;
  readonly zeroPoints: Codes;
  readonly intCodes: boolean; // int32 and not bytes
  readonly scales: number | null; // their magnitude; null: all of them 1
  readonly xScales: number | null;
  readonly residual: number | null; // its magnitude; null: none
  readonly rank: number;
  readonly basisRows: number; // rank to 2 rank; more than rank: with scales
  readonly alongRank: number; // 0: nothing goes along
  readonly alongRows: number; // as basisRows
  readonly bias: boolean;
  readonly activation: Activation;
  readonly seed: number;
}

/** The numbers of a product. */
export interface ProductNumbers {
  readonly codes: Int8Array | Float32Array; // [k, n]
  readonly scale: Float32Array; // [groups, n]; all 1 for float32 weights
  readonly x: Uint8Array | Float32Array; // [rows, k]
  readonly xScale: Float32Array; // [rows, groups]; all 1 for a float32 x
  readonly xZeroPoint: Float32Array;
  readonly residual: Float32Array | null; // [samples, k]
  readonly coefficients: Float32Array; // [samples, rank]
  readonly basis: Float32Array; // [basisRows, n]
  readonly basisScale: Float32Array;
  readonly along: Float32Array; // [rows, alongRank]
  readonly directionWeights: Float32Array; // [alongRows, n]
  readonly directionScale: Float32Array;
  readonly bias: Float32Array | null;
}

/** The same numbers at every call. */
export function productNumbers(given: Product): ProductNumbers {
  const { samples, tokens, k, n, bits, xBits, rank, basisRows, seed } = given;
  const { alongRank, alongRows } = given;
  const rows = samples * tokens;
  const groups = Math.ceil(k / given.groupSize) * n;
  const xGroups = rows * Math.ceil(k / given.xGroupSize);
  const next = uniform(seed);
  const half = 2 ** (bits - 1);
  const some = (size: number, i: number) => normal(size, seed + i);
  const scales = (size: number, magnitude: number | null) =>
    new Float32Array(size).map(() => (magnitude === null ? 1 : magnitude * (0.5 + next())));
  const integer = (width: number, which: Codes) => pick(2 ** width, which, next);
  return {
    codes:
      bits === 32
        ? some(k * n, 1).map((v) => v * (given.scales ?? 1))
        : new Int8Array(k * n).map(() => integer(bits, given.codes) - half),
    scale: scales(groups, bits === 32 ? null : given.scales),
    x:
      xBits === 0
        ? some(rows * k, 2).map((v) => v * (given.xScales ?? 1))
        : new Uint8Array(rows * k).map(() => integer(xBits, given.xCodes)),
    xScale: scales(xGroups, xBits === 0 ? null : given.xScales),
    xZeroPoint: new Float32Array(xGroups).map(() =>
      xBits === 0 ? 0 : integer(xBits, given.zeroPoints),
    ),
    residual: given.residual === null ? null : some(samples * k, 3).map((v) => v * given.residual!),
    coefficients: some(samples * rank, 4),
    basis: some(basisRows * n, 5),
    basisScale: scales(basisRows, basisRows > rank ? 0.5 : null),
    along: some(rows * alongRank, 7),
    directionWeights: some(alongRows * n, 8),
    directionScale: scales(alongRows, alongRows > alongRank ? 0.5 : null),
    bias: given.bias ? some(n, 6) : null,
  };
}

function pick(choices: number, which: Codes, next: () => number): number {
  const u = Math.floor(next() * choices);
  switch (which) {
    case 'any':
      return u;
    case 'low':
      return 0;
    case 'high':
      return choices - 1;
    case 'ends':
      return u % 2 === 0 ? 0 : choices - 1;
    case 'topTwo':
      return choices - 1 - (u % 2);
    case 'upper':
      return (u + choices) >> 1;
    case 'lower':
      return u >> 1;
    default:
      return which satisfies never;
  }
}

/** What the kernel makes of it, [rows, n], on guarded memory and cut at `cuts`. */
export function multiply(
  given: Product,
  numbers: ProductNumbers,
  cuts: readonly number[],
  options: GuardOptions = {},
): Float32Array {
  const { k, n, activation } = given;
  const attrs = { ...productFormats(given, k), d: k, n, activation };
  const run = (module: GuardedWasm) => {
    const placed = Object.entries(tensorsOf(given, numbers)).map(([name, values]) => {
      return [name, module.input(values) as tf.Tensor] as const;
    });
    const inputs = Object.fromEntries(placed) as unknown as QuantizedMatMulInputs;
    return module.valuesOf(quantizedMatMulOnWasm({ inputs, attrs, module }));
  };
  const size = numbers.codes.length + numbers.x.length;
  return GuardedWasm.check(2 ** Math.ceil(Math.log2(100_000 + 16 * size)), cuts, run, options);
}

function tensorsOf(given: Product, numbers: ProductNumbers): Record<string, TensorValues> {
  const { samples, tokens, k, n, bits, xBits, rank, basisRows, alongRank, alongRows } = given;
  const { codes, scale, x, xScale, xZeroPoint, residual, coefficients, basis, basisScale } =
    numbers;
  const { along, directionWeights, directionScale } = numbers;
  const leading = [samples, tokens];
  const packed = bits === 32 ? null : packCodes(codes as Int8Array, k, n, bits);
  const groups = [...leading, xScale.length / (samples * tokens)];
  const tensors: Record<string, TensorValues | false> = {
    x: { shape: [...leading, k], values: given.intCodes && xBits > 0 ? Int32Array.from(x) : x },
    xScale: xBits > 0 && { shape: groups, values: xScale },
    xZeroPoint: xBits > 0 && { shape: groups, values: xZeroPoint },
    codes:
      packed === null
        ? { shape: [k, n], values: codes as Float32Array }
        : { shape: [packed.length], values: packed },
    scale: bits < 32 && { shape: [scale.length / n, n], values: scale },
    residual: residual !== null && { shape: [samples, k], values: residual },
    coefficients: rank > 0 && { shape: [samples, rank], values: coefficients },
    basis: rank > 0 && { shape: [basisRows, n], values: basis },
    basisScale: basisRows > rank && { shape: [basisRows], values: basisScale },
    bias: numbers.bias !== null && { shape: [n], values: numbers.bias },
    along: alongRank > 0 && { shape: [...leading, alongRank], values: along },
    directionWeights: alongRank > 0 && { shape: [alongRows, n], values: directionWeights },
    directionScale: alongRows > alongRank && { shape: [alongRows], values: directionScale },
  };
  return Object.fromEntries(
    Object.entries(tensors).filter((entry): entry is [string, TensorValues] => entry[1] !== false),
  );
}
