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
  readonly coefficients: TypedArray | null;
  readonly basis: TypedArray | null;
  readonly basisScale: TypedArray | null;
  readonly rank: number; // of the coefficients
}
