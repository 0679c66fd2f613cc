// written by `npm run build:wasm` from scripts/wasmRecords; a test writes it again and compares

/** Rows in a tile. */
export const MR: i32 = 4;

/** Columns in a panel. */
export const NR: i32 = 8;

/** Neighbours along k that the integer kernels take at a time. */
export const STEP: i32 = 4;

/** Rows that stand for a row of floats: digits of base 256, the highest first. */
export const DIGITS: i32 = 3;

/** Queries of a block: their scores against a block of keys stay in L1. */
export const QUERIES: i32 = 16;

/** Keys of a block. */
export const KEYS: i32 = 256;

/** Between two queries' scores: rows a power of two apart would fall on the same cache lines. */
export const SCORE_ROW_BYTES: usize = 1088;

/** Columns of an item of `columnMeans` and `fakeQuantColumns`: a cache line. */
export const COLUMNS: i32 = 16;

/** Columns gone through together, row by row, with what is known of them in L1. */
export const WIDTH: u32 = 512;

/** The smallest scale of a quantizer. */
export const MIN_SCALE: f32 = 7.52316384526264e-37;

/** The largest value of a code. */
export const MAX_VALUE: f32 = 3.4028230607370965e+38;

/** Elements of a vector: factors of a smaller stride gather columns. */
export const VECTOR: i32 = 4;

/** Four vectors of columns share one look-up. */
export const PANEL_BYTES: usize = 64;

/** Signed sums per input: four inputs have 8 up to their sign, a panel each. */
export const SUMS_BYTES: usize = 128;

/** What is applied to a product. */
export const ACTIVATION_NONE: i32 = 0;
export const ACTIVATION_GELU: i32 = 1;
export const ACTIVATION_GELU_TANH: i32 = 2;
export const ACTIVATION_SILU: i32 = 3;
export const ACTIVATION_RELU: i32 = 4;

/** Dense factors: by a table of signs, or order 12 by its own algorithm. */
export const FACTOR_KIND_TABLE: i32 = 0;
export const FACTOR_KIND_PALEY12: i32 = 1;
export const FACTOR_KIND_PALEY12_TRANSPOSED: i32 = 2;

/** A run of the reduction in one group of weights, one group of activations and one chunk. */
@unmanaged
export class Segment {
  start: i32; // a multiple of STEP
  steps: i32; // of STEP along k
  weightGroup: i32;
  activationGroup: i32;
}
export const SEGMENT_BYTES: usize = 16;

/** out [tokens, n] = activation(scale · (codes − zeroPoint) W + rows). */
@unmanaged
export class Product {
  codes: usize; // packed codes in panel order; bits 32: f32 [k, n]
  bits: i32;
  k: i32;
  n: i32;
  scale: usize; // f32 [groups, n]
  groupSize: i32;
  segments: usize; // Segment[segmentCount]
  segmentCount: i32;
  chunkSegments: usize; // i32 [chunkCount + 1]: first segment of each chunk
  chunkCount: i32;
  chunkRows: i32; // rows of weights unpacked at a time, a multiple of STEP
  rows: usize; // PackedTile[tokenTiles + residualTiles]; floats: f32 [tokens, k]
  residual: usize; // floats: f32 [samples, k]
  tokenTiles: i32;
  residualTiles: i32; // of the rows that stand for the samples' means
  offsets: usize; // relaxed: TileOffsets[tiles], where the accumulators start
  flushSteps: i32; // relaxed: steps of STEP along k that 16-bit sums can take
  flip: i32; // relaxed: 128 turns 8-bit codes u into q, 0 leaves them
  groupScale: usize; // TileGroups[tiles]; 0 for a scale per token
  groupShift: usize; // relaxed: TileGroups[tiles], zero points less what was subtracted; or 0
  activationGroups: i32;
  tokens: i32;
  samples: i32;
  tokenScale: usize; // f32 [tokenTiles · MR]; 0 where x is float32
  sampleOf: usize; // i32 [tokenTiles · MR]
  residualScale: usize; // f32 [samples]; 0 where the residual is no digits
  coefficients: usize; // f32 [samples, rank]
  basis: usize; // f32 [rank, n]
  rank: i32;
  bias: usize; // f32 [n]; 0 for none
  along: usize; // TileAlong[tokenTiles]; 0 for none
  alongRank: i32;
  directions: usize; // f32 [directionRows, n]
  directionScale: usize; // f32 [directionRows]; 0 for none
  directionRows: i32; // alongRank, and up to as many again, of the same directions
  activation: i32; // ACTIVATION
  out: usize; // f32 [tokens, n]
}
export const PRODUCT_BYTES: usize = 148;

/** Activations as codes, and the tiles to make of them. */
@unmanaged
export class PackedRows {
  codes: usize; // u8 [tokens, k]
  scale: usize; // f32 [tokens, groups]
  zeroPoint: usize; // f32 [tokens, groups]
  groups: i32;
  k: i32;
  tokens: i32;
  tokensPerSample: i32;
  digits: usize; // RowDigits[samples], which come after the tokens
  digitRows: i32; // DIGITS · samples, or 0
  segments: usize; // Segment[segmentCount]
  segmentCount: i32;
  subtract: i32; // from every code; −1: its zero point
  weightOffset: i32; // relaxed: 2^(b−1)
  rows: usize; // out: PackedTile[tiles]
  offsets: usize; // out, relaxed: TileOffsets[tiles]
  groupScale: usize; // out: TileGroups[tiles], 0 for none
  groupShift: usize; // out: zero points less `subtract`, likewise
  tokenScale: usize; // out: f32 [token tiles · MR]
  sampleOf: usize; // out: i32 [token tiles · MR], 0 for rows without one
}
export const PACKED_ROWS_BYTES: usize = 76;

/** Addresses, and strides in bytes; a stride of 0 reads the same again. */
@unmanaged
export class Attention {
  q: usize; // [b, h, queries, channels], channels side by side
  k: usize; // [b, h, keys, channels]
  v: usize; // [b, h, keys, valueChannels]
  mask: usize; // [b, h, queries, keys]; 0 for none
  out: usize; // [b, h, queries, valueChannels]
  heads: i32; // h
  queries: i32;
  keys: i32;
  channels: i32;
  valueChannels: i32;
  blocks: i32; // of queries, per head
  scale: f32;
  qSample: i32;
  qHead: i32;
  qToken: i32;
  kSample: i32;
  kHead: i32;
  kToken: i32;
  vSample: i32;
  vHead: i32;
  vToken: i32;
  outSample: i32;
  outHead: i32;
  outToken: i32;
  maskSample: i32;
  maskHead: i32;
  maskQuery: i32;
  maskKey: i32; // 4, or 0
}
export const ATTENTION_BYTES: usize = 112;

/** y = scale · clamp(round(x / scale), low, high). All NaN without a meaningful range. */
@unmanaged
export class Quantizer {
  scale: f32;
  zeroPoint: f32;
  low: f32;
  high: f32;
}
export const QUANTIZER_BYTES: usize = 16;

/** Of the values of a group; it holds 0. */
@unmanaged
export class GroupRange {
  low: f32;
  high: f32;
}
export const GROUP_RANGE_BYTES: usize = 8;

/** FakeQuant where groups are runs of neighbours. */
@unmanaged
export class FakeQuantRuns {
  x: usize;
  y: usize;
  length: u32; // elements of a row of runs: length · inner
  run: u32; // elements of a run; the last of a row may be shorter
  numGroups: u32; // run r is in group r mod numGroups
  ranges: usize; // GroupRange[numGroups]; 0: each run's own
  qMin: f32;
  qMax: f32;
  symmetric: i32;
}
export const FAKE_QUANT_RUNS_BYTES: usize = 36;

/** FakeQuant where neighbours are in different groups. */
@unmanaged
export class FakeQuantColumns {
  x: usize;
  y: usize;
  length: u32;
  inner: u32;
  groupSize: u32; // rows; the last group of `length` may be shorter
  ranges: usize; // GroupRange[groups]; 0: each group's own
  qMin: f32;
  qMax: f32;
  symmetric: i32;
}
export const FAKE_QUANT_COLUMNS_BYTES: usize = 36;

/** What HadaNormQuantize does to the rows. */
@unmanaged
export class QuantizedRows {
  x: usize; // f32 [samples · tokens, d]
  tokens: i32; // of a sample
  d: i32;
  means: usize; // f32 [samples, d]; 0 for none
  meanStride: i32; // elements from one sample's means to the next's: d, or 0 for one mean
  scale: usize; // f32 [d]; 0 for none
  plan: usize; // HadamardPlan; 0 for none
  groupSize: i32;
  isStatic: i32;
  min: f32;
  max: f32;
  qMin: f32;
  qMax: f32;
  symmetric: i32;
  offset: i32; // symmetric: 2^(bits−1), what is added to the codes
  codes: usize; // out: u8 [samples · tokens, d]
  scales: usize; // out: f32 [samples · tokens, groups]
  zeroPoints: usize; // out: likewise
  directions: usize; // PaddedDirections; 0 for none
  taken: usize; // TakenDirections, of what is taken out of the rows; 0 for nothing
  rank: i32;
  paddedRank: i32; // a multiple of NR
  meanAlong: usize; // f32 [samples, rank], added to what goes along; 0 for nothing
  along: usize; // out: f32 [samples · tokens, rank]
}
export const QUANTIZED_ROWS_BYTES: usize = 96;

/** HadamardFactor[denseFactors] and their tables come behind it. */
@unmanaged
export class HadamardPlan {
  scale: f32; // 1/√blockSize
  sylvesterOrder: u32; // 1 for none; the last factor, along neighbouring elements
  denseFactors: i32;
}
export const HADAMARD_PLAN_BYTES: usize = 12;

/** A dense factor. */
@unmanaged
export class HadamardFactor {
  kind: i32; // FACTOR_KIND
  order: u32;
  stride: u32; // elements between two entries that it mixes
  table: u32; // bytes from the plan's start
}
export const HADAMARD_FACTOR_BYTES: usize = 16;

/** Scratch of a thread for a panel of weights. */
@unmanaged
export class Panel {
  weights: usize; // u8 [chunkRows][NR][weightBytes], unpacked, by steps; or floats
  scales: usize; // f32 [segmentCount][NR]
  sums: usize; // f32 [segmentCount][NR], Σ q down a column
  rows: usize; // f32 [samples][NR]
  directions: usize; // f32 [alongRank][NR], R as floats
  direction: usize; // f32 [NR], a row that is read
  accumulators: usize; // f32 [tiles][MR][NR]
}

/** Its arrays, in memory that has its bytes. */
export function placePanel(at: usize, product: Product): Panel {
  const placed = changetype<Panel>(at);
  placed.weights = at + 32;
  placed.scales = placed.weights + (<usize>product.chunkRows << (product.tokenScale === 0 ? 5 : 4));
  placed.sums = placed.scales + (<usize>product.segmentCount << 5);
  placed.rows = placed.sums + (<usize>product.segmentCount << 5);
  placed.directions = placed.rows + (<usize>product.samples << 5);
  placed.direction = placed.directions + (<usize>product.alongRank << 5);
  placed.accumulators = placed.direction + 32;
  return placed;
}

/** Bytes of Panel. Scratch of a thread for a panel of weights. */
@inline
export function panelBytes(product: Product): usize {
  return (
    32 +
    (<usize>product.chunkRows << (product.tokenScale === 0 ? 5 : 4)) +
    (<usize>product.segmentCount << 5) +
    (<usize>product.segmentCount << 5) +
    (<usize>product.samples << 5) +
    (<usize>product.alongRank << 5) +
    32 +
    (<usize>(product.tokenTiles + product.residualTiles) << 7)
  );
}

/**
 * Bytes of PackedTile. A tile of activations: two neighbours along k of each row at a time, or
 * four of a byte.
 */
@inline
export function packedTileBytes(k: i32, codeBytes: i32): usize {
  return (<usize>((k + 3) & ~3) * <usize>codeBytes) << 2;
}

/** Bytes of TileOffsets. Where the accumulators of a tile start. */
@inline
export function tileOffsetsBytes(segmentCount: i32): usize {
  return <usize>segmentCount << 4;
}

/** Bytes of TileGroups. What is known of the groups of activations in a tile. */
@inline
export function tileGroupsBytes(groups: i32): usize {
  return <usize>groups << 4;
}

/** Bytes of TileAlong. What goes along the directions in a tile, turned; 0 past the last token. */
@inline
export function tileAlongBytes(rank: i32): usize {
  return <usize>rank << 4;
}

/** Bytes of RowDigits. A row of floats as digits. */
@inline
export function rowDigitsBytes(k: i32): usize {
  return <usize>k * 3;
}

/** Scratch of a thread: a head packed, and a block of its queries. */
@unmanaged
export class AttentionWork {
  keys: usize; // f32 [keyPanels][channels][NR], of a head
  values: usize; // f32 [valuePanels][keys][NR], of a head
  queries: usize; // f32 [QUERIES][channels], of a block, scaled: [tiles][channels][MR]
  scores: usize; // u8 [QUERIES][SCORE_ROW_BYTES]
  sums: usize; // f32 [valuePanels][QUERIES][NR], Σ weight · value
  largest: usize; // f32 [QUERIES], score so far
  totals: usize; // f32 [QUERIES], Σ weight
}

/** Its arrays, in memory that has its bytes. */
export function placeAttentionWork(at: usize, attention: Attention): AttentionWork {
  const placed = changetype<AttentionWork>(at);
  const valuePanels = <usize>((attention.valueChannels + 7) >> 3);
  placed.keys = at + 32;
  placed.values =
    placed.keys + ((<usize>((attention.keys + 7) >> 3) * <usize>attention.channels) << 5);
  placed.queries = placed.values + ((valuePanels * <usize>attention.keys) << 5);
  placed.scores = placed.queries + (<usize>attention.channels << 6);
  placed.sums = placed.scores + 17408;
  placed.largest = placed.sums + (valuePanels << 9);
  placed.totals = placed.largest + 64;
  return placed;
}

/** Bytes of AttentionWork. Scratch of a thread: a head packed, and a block of its queries. */
@inline
export function attentionWorkBytes(attention: Attention): usize {
  return (
    32 +
    ((<usize>((attention.keys + 7) >> 3) * <usize>attention.channels) << 5) +
    ((<usize>((attention.valueChannels + 7) >> 3) * <usize>attention.keys) << 5) +
    (<usize>attention.channels << 6) +
    17408 +
    (<usize>((attention.valueChannels + 7) >> 3) << 9) +
    64 +
    64
  );
}

/** f32 [WIDTH] */
export const COLUMN_SCRATCH_LOW: usize = 2048;

/** f32 [WIDTH] */
export const COLUMN_SCRATCH_HIGH: usize = 4096;

/** u32 [WIDTH], the largest, their sign dropped */
export const COLUMN_SCRATCH_BITS: usize = 6144;

/** u8 [QUANTIZER_BYTES], Quantizer */
export const COLUMN_SCRATCH_QUANTIZER: usize = 8192;

/**
 * Bytes of ColumnScratch. Scratch of a thread of `fakeQuantColumns`: what is known of each column.
 */
export const COLUMN_SCRATCH_BYTES: usize = 8208;

/** f32 [paddedD] */
export const ROW_SCRATCH_ROW: usize = 64;

/** u8 [tempBytes], what the Hadamard plan wants */
@inline
export function rowScratchTemp(at: usize, d: i32): usize {
  return at + 64 + (<usize>((d + 15) & ~15) << 2);
}

/** Bytes of RowScratch. Scratch of a thread of `hadaNormQuantize`. */
@inline
export function rowScratchBytes(d: i32, tempBytes: i32): usize {
  return 64 + (<usize>((d + 15) & ~15) << 2) + <usize>tempBytes;
}

/** f32 [MR][paddedD] */
export const ALONG_SCRATCH_ROWS: usize = 64;

/** f32 [MR][paddedRank], what goes along */
@inline
export function alongScratchSums(at: usize, d: i32): usize {
  return at + 64 + (<usize>((d + 15) & ~15) << 4);
}

/** u8 [tempBytes], what the Hadamard plan wants */
@inline
export function alongScratchTemp(at: usize, d: i32, paddedRank: i32): usize {
  return at + 64 + (<usize>((d + 15) & ~15) << 4) + (<usize>paddedRank << 4);
}

/** Bytes of AlongScratch. Scratch of a thread of `hadaNormQuantizeAlong` and `splitRows`. */
@inline
export function alongScratchBytes(d: i32, paddedRank: i32, tempBytes: i32): usize {
  return 64 + (<usize>((d + 15) & ~15) << 4) + (<usize>paddedRank << 4) + <usize>tempBytes;
}

/** Bytes of PaddedDirections. V, its rows filled up by 0. */
@inline
export function paddedDirectionsBytes(d: i32, paddedRank: i32): usize {
  return (<usize>d * <usize>paddedRank) << 2;
}

/** Bytes of TakenDirections. V by panels of NR rows, turned; filled up by 0. */
@inline
export function takenDirectionsBytes(d: i32, rank: i32): usize {
  return (<usize>((d + 7) & ~7) * <usize>rank) << 2;
}

/** u8 [gathered][PANEL_BYTES], a panel, where columns are narrow */
@inline
export function denseTempColumns(at: usize, order: i32): usize {
  return at + (<usize>order << 7);
}

/** Bytes of DenseTemp. Scratch of a factor that goes by a table. */
@inline
export function denseTempBytes(order: i32, stride: i32): usize {
  return (<usize>order << 7) + (<usize>(stride < 4 ? order : 0) << 6);
}
