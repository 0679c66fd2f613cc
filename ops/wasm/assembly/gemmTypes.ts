// What the integer product is told, as records in linear memory; ops/quantizedMatMul/wasmProduct.ts
// writes them field by field, 4 bytes each.

/** Rows in a tile of activations (mr), columns in a panel of weights (nr). */
export const MR = 4;
export const NR = 8;

/** A run of the reduction within one group of weights, one group of activations and one chunk. */
@unmanaged
export class Segment {
  start: i32; // multiples of 4
  steps: i32; // of 4 along k
  weightGroup: i32;
  activationGroup: i32;
}

/** bytes of a Segment */
export const SEGMENT: usize = 16;

/** The product of a call. */
@unmanaged
export class Product {
  // weights: packed codes in panel order (ops/numerics/packing.ts), scale [groups, n]
  codes: usize;
  bits: i32;
  k: i32;
  n: i32;
  scale: usize;
  groupSize: i32;
  segments: usize; // Segment[segmentCount]
  segmentCount: i32;
  chunkSegments: usize; // i32[chunkCount + 1]: first segment of each chunk
  chunkCount: i32;
  chunkRows: i32; // rows of weights that are unpacked at a time, a multiple of 4
  // activations: tiles of 4 rows, tokens first, then the rows that stand for the samples' means
  rows: usize; // i16 [tiles][k/2][4][2]; relaxed: i8 [tiles][k/4][4][4]; floats: f32 [tokens, k]
  residual: usize; // floats: f32 [samples, k]
  tokenTiles: i32;
  residualTiles: i32;
  offsets: usize; // relaxed: i32 [tiles][segments][4], where the accumulators start
  flushSteps: i32; // relaxed: steps of 4 along k that 16-bit sums can take
  flip: i32; // relaxed: 128 turns 8-bit codes u into q, 0 leaves them
  groupScale: usize; // f32 [tiles][activation groups][4]; 0 for a scale per token
  // relaxed: f32 [tiles][activation groups][4], zero points less what was subtracted; 0 for none
  groupShift: usize;
  activationGroups: i32;
  tokens: i32;
  samples: i32;
  tokenScale: usize; // f32 [tokens]; 0 where x is float32
  sampleOf: usize; // i32 [tokens]
  // rows added to each sample's tokens
  residualScale: usize; // f32 [samples]; 0 where the residual is no digits
  coefficients: usize; // f32 [samples, rank]
  basis: usize; // f32 [rank, n]
  rank: i32;
  bias: usize; // f32 [n]; 0 for none
  activation: i32;
  out: usize; // f32 [tokens, n]
}

export const NONE: i32 = 0;
export const GELU: i32 = 1;
export const GELU_TANH: i32 = 2;
export const SILU: i32 = 3;
export const RELU: i32 = 4;
