import type { TypedArray } from '@tensorflow/tfjs-core';

/** The inputs on host memory. */
export interface QuantizedMatMulValues {
  readonly x: TypedArray;
  readonly xScale: TypedArray | null;
  readonly xZeroPoint: TypedArray | null;
  readonly codes: TypedArray;
  readonly scale: TypedArray | null;
  readonly bias: TypedArray | null;
  readonly residual: TypedArray | null;
  readonly means: Factors | null;
  readonly beside: Factors | null;
}

/** Factors [count, rank] and rows [k, n]; row i of scaled rows belongs to factor i mod rank. */
export interface Factors {
  readonly factors: TypedArray;
  readonly rows: TypedArray;
  readonly scale: TypedArray | null; // [k]
  readonly rank: number;
}
