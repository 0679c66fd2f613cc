import type { GroupedFormat } from '../numerics/formats.js';
import type { Activation, ProductFormat } from './contract.js';

/** A product by packed weights; every tensor is an address, 0 for one that is not there. */
export interface ProductArgs {
  readonly codes: number; // packed, or f32 [k, n]: as the format says
  readonly format: ProductFormat;
  readonly scale: number; // [groups, n]
  readonly k: number;
  readonly n: number;
  readonly tokens: number; // of all samples
  readonly samples: number; // of which each has its row; 1 where there are no rows
  readonly residual: number; // [samples, k]
  readonly coefficients: number; // [samples, rank]
  readonly basis: number; // [rank, n]
  readonly rank: number;
  readonly bias: number; // [n]
  readonly beside: BesideArgs | null;
  readonly activation: Activation;
  readonly out: number; // [tokens, n]
}

/** What goes along directions. */
export interface BesideArgs {
  readonly along: number; // [tokens, rank]
  readonly rank: number;
  readonly directions: number; // [rows, n]
  readonly scale: number; // [rows]
  readonly rows: number; // rank to 2 · rank
}

/** Activations as codes. */
export interface CodeArgs {
  readonly codes: number; // u8 [tokens, k]
  readonly scale: number; // [tokens, groups]
  readonly zeroPoint: number; // [tokens, groups]
  readonly format: GroupedFormat;
}

/** Which kernel multiplies, and what it can take. */
export interface Variant {
  readonly kernel: 'gemm16' | 'gemmRelaxed16' | 'gemmRelaxed32';
  readonly bytes: 1 | 2; // of a packed code of the activations
  readonly signedWeights: boolean; // q instead of u = q + 2^(b−1)
}
