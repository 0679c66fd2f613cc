// written by `npm run build:wasm` from scripts/wasmRecords; a test writes it again and compares
import type { WasmModule } from './module.js';
import { word } from './word.js';

/** What a writer needs of a module. */
type Scratch = Pick<WasmModule, 'memory' | 'scratch'>;

/** An object with these fields and no others. */
type Only<Fields, Given extends Fields> = Given &
  Readonly<Record<Exclude<keyof Given, keyof Fields>, never>>;

/** Rows in a tile. */
export const MR = 4;

/** Columns in a panel. */
export const NR = 8;

/** Neighbours along k that the integer kernels take at a time. */
export const STEP = 4;

/** Rows that stand for a row of floats: digits of base 256, the highest first. */
export const DIGITS = 3;

/** Queries of a block: their scores against a block of keys stay in L1. */
export const QUERIES = 16;

/** Columns of an item of `columnMeans` and `fakeQuantColumns`: a cache line. */
export const COLUMNS = 16;

/** Elements of a vector: factors of a smaller stride gather columns. */
export const VECTOR = 4;

/** What is applied to a product. */
export const ACTIVATION = { none: 0, gelu: 1, geluTanh: 2, silu: 3, relu: 4 } as const;

/** Dense factors: by a table of signs, or order 12 by its own algorithm. */
export const FACTOR_KIND = { table: 0, paley12: 1, paley12Transposed: 2 } as const;

/** Bytes of Segment. */
export const SEGMENT_BYTES = 16;

/** A run of the reduction in one group of weights, one group of activations and one chunk. */
export interface Segment {
  readonly start: number; // a multiple of STEP
  readonly steps: number; // of STEP along k
  readonly weightGroup: number;
  readonly activationGroup: number;
}

/** Writes Segment at byte `at`. */
export function putSegment<T extends Segment>(
  view: DataView,
  at: number,
  fields: Only<Segment, T>,
): void {
  view.setInt32(at, word('start', fields.start), true);
  view.setInt32(at + 4, word('steps', fields.steps), true);
  view.setInt32(at + 8, word('weightGroup', fields.weightGroup), true);
  view.setInt32(at + 12, word('activationGroup', fields.activationGroup), true);
}

/** Bytes of Product. */
export const PRODUCT_BYTES = 148;

/** out [tokens, n] = activation(scale · (codes − zeroPoint) W + rows). */
export interface Product {
  readonly codes: number; // packed codes in panel order; bits 32: f32 [k, n]
  readonly bits: number;
  readonly k: number;
  readonly n: number;
  readonly scale: number; // f32 [groups, n]
  readonly groupSize: number;
  readonly segments: number; // Segment[segmentCount]
  readonly segmentCount: number;
  readonly chunkSegments: number; // i32 [chunkCount + 1]: first segment of each chunk
  readonly chunkCount: number;
  readonly chunkRows: number; // rows of weights unpacked at a time, a multiple of STEP
  readonly rows: number; // PackedTile[tokenTiles + residualTiles]; floats: f32 [tokens, k]
  readonly residual: number; // floats: f32 [samples, k]
  readonly tokenTiles: number;
  readonly residualTiles: number; // of the rows that stand for the samples' means
  readonly offsets: number; // relaxed: TileOffsets[tiles], where the accumulators start
  readonly flushSteps: number; // relaxed: steps of STEP along k that 16-bit sums can take
  readonly flip: number; // relaxed: 128 turns 8-bit codes u into q, 0 leaves them
  readonly groupScale: number; // TileGroups[tiles]; 0 for a scale per token
  // relaxed: TileGroups[tiles], zero points less what was subtracted; or 0
  readonly groupShift: number;
  readonly activationGroups: number;
  readonly tokens: number;
  readonly samples: number;
  readonly tokenScale: number; // f32 [tokenTiles · MR]; 0 where x is float32
  readonly sampleOf: number; // i32 [tokenTiles · MR]
  readonly residualScale: number; // f32 [samples]; 0 where the residual is no digits
  readonly coefficients: number; // f32 [samples, rank]
  readonly basis: number; // f32 [rank, n]
  readonly rank: number;
  readonly bias: number; // f32 [n]; 0 for none
  readonly along: number; // TileAlong[tokenTiles]; 0 for none
  readonly alongRank: number;
  readonly directions: number; // f32 [directionRows, n]
  readonly directionScale: number; // f32 [directionRows]; 0 for none
  readonly directionRows: number; // alongRank, and up to as many again, of the same directions
  readonly activation: number; // ACTIVATION
  readonly out: number; // f32 [tokens, n]
}

/** Writes Product at byte `at`. */
export function putProduct<T extends Product>(
  view: DataView,
  at: number,
  fields: Only<Product, T>,
): void {
  view.setInt32(at, word('codes', fields.codes), true);
  view.setInt32(at + 4, word('bits', fields.bits), true);
  view.setInt32(at + 8, word('k', fields.k), true);
  view.setInt32(at + 12, word('n', fields.n), true);
  view.setInt32(at + 16, word('scale', fields.scale), true);
  view.setInt32(at + 20, word('groupSize', fields.groupSize), true);
  view.setInt32(at + 24, word('segments', fields.segments), true);
  view.setInt32(at + 28, word('segmentCount', fields.segmentCount), true);
  view.setInt32(at + 32, word('chunkSegments', fields.chunkSegments), true);
  view.setInt32(at + 36, word('chunkCount', fields.chunkCount), true);
  view.setInt32(at + 40, word('chunkRows', fields.chunkRows), true);
  view.setInt32(at + 44, word('rows', fields.rows), true);
  view.setInt32(at + 48, word('residual', fields.residual), true);
  view.setInt32(at + 52, word('tokenTiles', fields.tokenTiles), true);
  view.setInt32(at + 56, word('residualTiles', fields.residualTiles), true);
  view.setInt32(at + 60, word('offsets', fields.offsets), true);
  view.setInt32(at + 64, word('flushSteps', fields.flushSteps), true);
  view.setInt32(at + 68, word('flip', fields.flip), true);
  view.setInt32(at + 72, word('groupScale', fields.groupScale), true);
  view.setInt32(at + 76, word('groupShift', fields.groupShift), true);
  view.setInt32(at + 80, word('activationGroups', fields.activationGroups), true);
  view.setInt32(at + 84, word('tokens', fields.tokens), true);
  view.setInt32(at + 88, word('samples', fields.samples), true);
  view.setInt32(at + 92, word('tokenScale', fields.tokenScale), true);
  view.setInt32(at + 96, word('sampleOf', fields.sampleOf), true);
  view.setInt32(at + 100, word('residualScale', fields.residualScale), true);
  view.setInt32(at + 104, word('coefficients', fields.coefficients), true);
  view.setInt32(at + 108, word('basis', fields.basis), true);
  view.setInt32(at + 112, word('rank', fields.rank), true);
  view.setInt32(at + 116, word('bias', fields.bias), true);
  view.setInt32(at + 120, word('along', fields.along), true);
  view.setInt32(at + 124, word('alongRank', fields.alongRank), true);
  view.setInt32(at + 128, word('directions', fields.directions), true);
  view.setInt32(at + 132, word('directionScale', fields.directionScale), true);
  view.setInt32(at + 136, word('directionRows', fields.directionRows), true);
  view.setInt32(at + 140, word('activation', fields.activation), true);
  view.setInt32(at + 144, word('out', fields.out), true);
}

/** Writes Product to scratch memory of the call; gives its address. */
export function writeProduct<T extends Product>(module: Scratch, fields: Only<Product, T>): number {
  const at = module.scratch(PRODUCT_BYTES);
  putProduct(new DataView(module.memory.buffer), at, fields);
  return at;
}

/** Bytes of PackedRows. */
export const PACKED_ROWS_BYTES = 76;

/** Activations as codes, and the tiles to make of them. */
export interface PackedRows {
  readonly codes: number; // u8 [tokens, k]
  readonly scale: number; // f32 [tokens, groups]
  readonly zeroPoint: number; // f32 [tokens, groups]
  readonly groups: number;
  readonly k: number;
  readonly tokens: number;
  readonly tokensPerSample: number;
  readonly digits: number; // RowDigits[samples], which come after the tokens
  readonly digitRows: number; // DIGITS · samples, or 0
  readonly segments: number; // Segment[segmentCount]
  readonly segmentCount: number;
  readonly subtract: number; // from every code; −1: its zero point
  readonly weightOffset: number; // relaxed: 2^(b−1)
  readonly rows: number; // out: PackedTile[tiles]
  readonly offsets: number; // out, relaxed: TileOffsets[tiles]
  readonly groupScale: number; // out: TileGroups[tiles], 0 for none
  readonly groupShift: number; // out: zero points less `subtract`, likewise
  readonly tokenScale: number; // out: f32 [token tiles · MR]
  readonly sampleOf: number; // out: i32 [token tiles · MR], 0 for rows without one
}

/** Writes PackedRows at byte `at`. */
export function putPackedRows<T extends PackedRows>(
  view: DataView,
  at: number,
  fields: Only<PackedRows, T>,
): void {
  view.setInt32(at, word('codes', fields.codes), true);
  view.setInt32(at + 4, word('scale', fields.scale), true);
  view.setInt32(at + 8, word('zeroPoint', fields.zeroPoint), true);
  view.setInt32(at + 12, word('groups', fields.groups), true);
  view.setInt32(at + 16, word('k', fields.k), true);
  view.setInt32(at + 20, word('tokens', fields.tokens), true);
  view.setInt32(at + 24, word('tokensPerSample', fields.tokensPerSample), true);
  view.setInt32(at + 28, word('digits', fields.digits), true);
  view.setInt32(at + 32, word('digitRows', fields.digitRows), true);
  view.setInt32(at + 36, word('segments', fields.segments), true);
  view.setInt32(at + 40, word('segmentCount', fields.segmentCount), true);
  view.setInt32(at + 44, word('subtract', fields.subtract), true);
  view.setInt32(at + 48, word('weightOffset', fields.weightOffset), true);
  view.setInt32(at + 52, word('rows', fields.rows), true);
  view.setInt32(at + 56, word('offsets', fields.offsets), true);
  view.setInt32(at + 60, word('groupScale', fields.groupScale), true);
  view.setInt32(at + 64, word('groupShift', fields.groupShift), true);
  view.setInt32(at + 68, word('tokenScale', fields.tokenScale), true);
  view.setInt32(at + 72, word('sampleOf', fields.sampleOf), true);
}

/** Writes PackedRows to scratch memory of the call; gives its address. */
export function writePackedRows<T extends PackedRows>(
  module: Scratch,
  fields: Only<PackedRows, T>,
): number {
  const at = module.scratch(PACKED_ROWS_BYTES);
  putPackedRows(new DataView(module.memory.buffer), at, fields);
  return at;
}

/** Bytes of Attention. */
export const ATTENTION_BYTES = 112;

/** Addresses, and strides in bytes; a stride of 0 reads the same again. */
export interface Attention {
  readonly q: number; // [b, h, queries, channels], channels side by side
  readonly k: number; // [b, h, keys, channels]
  readonly v: number; // [b, h, keys, valueChannels]
  readonly mask: number; // [b, h, queries, keys]; 0 for none
  readonly out: number; // [b, h, queries, valueChannels]
  readonly heads: number; // h
  readonly queries: number;
  readonly keys: number;
  readonly channels: number;
  readonly valueChannels: number;
  readonly blocks: number; // of queries, per head
  readonly scale: number;
  readonly qSample: number;
  readonly qHead: number;
  readonly qToken: number;
  readonly kSample: number;
  readonly kHead: number;
  readonly kToken: number;
  readonly vSample: number;
  readonly vHead: number;
  readonly vToken: number;
  readonly outSample: number;
  readonly outHead: number;
  readonly outToken: number;
  readonly maskSample: number;
  readonly maskHead: number;
  readonly maskQuery: number;
  readonly maskKey: number; // 4, or 0
}

/** Writes Attention at byte `at`. */
export function putAttention<T extends Attention>(
  view: DataView,
  at: number,
  fields: Only<Attention, T>,
): void {
  view.setInt32(at, word('q', fields.q), true);
  view.setInt32(at + 4, word('k', fields.k), true);
  view.setInt32(at + 8, word('v', fields.v), true);
  view.setInt32(at + 12, word('mask', fields.mask), true);
  view.setInt32(at + 16, word('out', fields.out), true);
  view.setInt32(at + 20, word('heads', fields.heads), true);
  view.setInt32(at + 24, word('queries', fields.queries), true);
  view.setInt32(at + 28, word('keys', fields.keys), true);
  view.setInt32(at + 32, word('channels', fields.channels), true);
  view.setInt32(at + 36, word('valueChannels', fields.valueChannels), true);
  view.setInt32(at + 40, word('blocks', fields.blocks), true);
  view.setFloat32(at + 44, fields.scale, true);
  view.setInt32(at + 48, word('qSample', fields.qSample), true);
  view.setInt32(at + 52, word('qHead', fields.qHead), true);
  view.setInt32(at + 56, word('qToken', fields.qToken), true);
  view.setInt32(at + 60, word('kSample', fields.kSample), true);
  view.setInt32(at + 64, word('kHead', fields.kHead), true);
  view.setInt32(at + 68, word('kToken', fields.kToken), true);
  view.setInt32(at + 72, word('vSample', fields.vSample), true);
  view.setInt32(at + 76, word('vHead', fields.vHead), true);
  view.setInt32(at + 80, word('vToken', fields.vToken), true);
  view.setInt32(at + 84, word('outSample', fields.outSample), true);
  view.setInt32(at + 88, word('outHead', fields.outHead), true);
  view.setInt32(at + 92, word('outToken', fields.outToken), true);
  view.setInt32(at + 96, word('maskSample', fields.maskSample), true);
  view.setInt32(at + 100, word('maskHead', fields.maskHead), true);
  view.setInt32(at + 104, word('maskQuery', fields.maskQuery), true);
  view.setInt32(at + 108, word('maskKey', fields.maskKey), true);
}

/** Writes Attention to scratch memory of the call; gives its address. */
export function writeAttention<T extends Attention>(
  module: Scratch,
  fields: Only<Attention, T>,
): number {
  const at = module.scratch(ATTENTION_BYTES);
  putAttention(new DataView(module.memory.buffer), at, fields);
  return at;
}

/** Bytes of Quantizer. */
export const QUANTIZER_BYTES = 16;

/** Bytes of GroupRange. */
export const GROUP_RANGE_BYTES = 8;

/** Of the values of a group; it holds 0. */
export interface GroupRange {
  readonly low: number;
  readonly high: number;
}

/** Writes GroupRange at byte `at`. */
export function putGroupRange<T extends GroupRange>(
  view: DataView,
  at: number,
  fields: Only<GroupRange, T>,
): void {
  view.setFloat32(at, fields.low, true);
  view.setFloat32(at + 4, fields.high, true);
}

/** Bytes of FakeQuantRuns. */
export const FAKE_QUANT_RUNS_BYTES = 36;

/** FakeQuant where groups are runs of neighbours. */
export interface FakeQuantRuns {
  readonly x: number;
  readonly y: number;
  readonly length: number; // elements of a row of runs: length · inner
  readonly run: number; // elements of a run; the last of a row may be shorter
  readonly numGroups: number; // run r is in group r mod numGroups
  readonly ranges: number; // GroupRange[numGroups]; 0: each run's own
  readonly qMin: number;
  readonly qMax: number;
  readonly symmetric: number;
}

/** Writes FakeQuantRuns at byte `at`. */
export function putFakeQuantRuns<T extends FakeQuantRuns>(
  view: DataView,
  at: number,
  fields: Only<FakeQuantRuns, T>,
): void {
  view.setInt32(at, word('x', fields.x), true);
  view.setInt32(at + 4, word('y', fields.y), true);
  view.setInt32(at + 8, word('length', fields.length), true);
  view.setInt32(at + 12, word('run', fields.run), true);
  view.setInt32(at + 16, word('numGroups', fields.numGroups), true);
  view.setInt32(at + 20, word('ranges', fields.ranges), true);
  view.setFloat32(at + 24, fields.qMin, true);
  view.setFloat32(at + 28, fields.qMax, true);
  view.setInt32(at + 32, word('symmetric', fields.symmetric), true);
}

/** Writes FakeQuantRuns to scratch memory of the call; gives its address. */
export function writeFakeQuantRuns<T extends FakeQuantRuns>(
  module: Scratch,
  fields: Only<FakeQuantRuns, T>,
): number {
  const at = module.scratch(FAKE_QUANT_RUNS_BYTES);
  putFakeQuantRuns(new DataView(module.memory.buffer), at, fields);
  return at;
}

/** Bytes of FakeQuantColumns. */
export const FAKE_QUANT_COLUMNS_BYTES = 36;

/** FakeQuant where neighbours are in different groups. */
export interface FakeQuantColumns {
  readonly x: number;
  readonly y: number;
  readonly length: number;
  readonly inner: number;
  readonly groupSize: number; // rows; the last group of `length` may be shorter
  readonly ranges: number; // GroupRange[groups]; 0: each group's own
  readonly qMin: number;
  readonly qMax: number;
  readonly symmetric: number;
}

/** Writes FakeQuantColumns at byte `at`. */
export function putFakeQuantColumns<T extends FakeQuantColumns>(
  view: DataView,
  at: number,
  fields: Only<FakeQuantColumns, T>,
): void {
  view.setInt32(at, word('x', fields.x), true);
  view.setInt32(at + 4, word('y', fields.y), true);
  view.setInt32(at + 8, word('length', fields.length), true);
  view.setInt32(at + 12, word('inner', fields.inner), true);
  view.setInt32(at + 16, word('groupSize', fields.groupSize), true);
  view.setInt32(at + 20, word('ranges', fields.ranges), true);
  view.setFloat32(at + 24, fields.qMin, true);
  view.setFloat32(at + 28, fields.qMax, true);
  view.setInt32(at + 32, word('symmetric', fields.symmetric), true);
}

/** Writes FakeQuantColumns to scratch memory of the call; gives its address. */
export function writeFakeQuantColumns<T extends FakeQuantColumns>(
  module: Scratch,
  fields: Only<FakeQuantColumns, T>,
): number {
  const at = module.scratch(FAKE_QUANT_COLUMNS_BYTES);
  putFakeQuantColumns(new DataView(module.memory.buffer), at, fields);
  return at;
}

/** Bytes of QuantizedRows. */
export const QUANTIZED_ROWS_BYTES = 96;

/** What HadaNormQuantize does to the rows. */
export interface QuantizedRows {
  readonly x: number; // f32 [samples · tokens, d]
  readonly tokens: number; // of a sample
  readonly d: number;
  readonly means: number; // f32 [samples, d]; 0 for none
  // elements from one sample's means to the next's: d, or 0 for one mean
  readonly meanStride: number;
  readonly scale: number; // f32 [d]; 0 for none
  readonly plan: number; // HadamardPlan; 0 for none
  readonly groupSize: number;
  readonly isStatic: number;
  readonly min: number;
  readonly max: number;
  readonly qMin: number;
  readonly qMax: number;
  readonly symmetric: number;
  readonly offset: number; // symmetric: 2^(bits−1), what is added to the codes
  readonly codes: number; // out: u8 [samples · tokens, d]
  readonly scales: number; // out: f32 [samples · tokens, groups]
  readonly zeroPoints: number; // out: likewise
  readonly directions: number; // PaddedDirections; 0 for none
  readonly taken: number; // TakenDirections, of what is taken out of the rows; 0 for nothing
  readonly rank: number;
  readonly paddedRank: number; // a multiple of NR
  readonly meanAlong: number; // f32 [samples, rank], added to what goes along; 0 for nothing
  readonly along: number; // out: f32 [samples · tokens, rank]
}

/** Writes QuantizedRows at byte `at`. */
export function putQuantizedRows<T extends QuantizedRows>(
  view: DataView,
  at: number,
  fields: Only<QuantizedRows, T>,
): void {
  view.setInt32(at, word('x', fields.x), true);
  view.setInt32(at + 4, word('tokens', fields.tokens), true);
  view.setInt32(at + 8, word('d', fields.d), true);
  view.setInt32(at + 12, word('means', fields.means), true);
  view.setInt32(at + 16, word('meanStride', fields.meanStride), true);
  view.setInt32(at + 20, word('scale', fields.scale), true);
  view.setInt32(at + 24, word('plan', fields.plan), true);
  view.setInt32(at + 28, word('groupSize', fields.groupSize), true);
  view.setInt32(at + 32, word('isStatic', fields.isStatic), true);
  view.setFloat32(at + 36, fields.min, true);
  view.setFloat32(at + 40, fields.max, true);
  view.setFloat32(at + 44, fields.qMin, true);
  view.setFloat32(at + 48, fields.qMax, true);
  view.setInt32(at + 52, word('symmetric', fields.symmetric), true);
  view.setInt32(at + 56, word('offset', fields.offset), true);
  view.setInt32(at + 60, word('codes', fields.codes), true);
  view.setInt32(at + 64, word('scales', fields.scales), true);
  view.setInt32(at + 68, word('zeroPoints', fields.zeroPoints), true);
  view.setInt32(at + 72, word('directions', fields.directions), true);
  view.setInt32(at + 76, word('taken', fields.taken), true);
  view.setInt32(at + 80, word('rank', fields.rank), true);
  view.setInt32(at + 84, word('paddedRank', fields.paddedRank), true);
  view.setInt32(at + 88, word('meanAlong', fields.meanAlong), true);
  view.setInt32(at + 92, word('along', fields.along), true);
}

/** Writes QuantizedRows to scratch memory of the call; gives its address. */
export function writeQuantizedRows<T extends QuantizedRows>(
  module: Scratch,
  fields: Only<QuantizedRows, T>,
): number {
  const at = module.scratch(QUANTIZED_ROWS_BYTES);
  putQuantizedRows(new DataView(module.memory.buffer), at, fields);
  return at;
}

/** Bytes of HadamardPlan. */
export const HADAMARD_PLAN_BYTES = 12;

/** HadamardFactor[denseFactors] and their tables come behind it. */
export interface HadamardPlan {
  readonly scale: number; // 1/√blockSize
  readonly sylvesterOrder: number; // 1 for none; the last factor, along neighbouring elements
  readonly denseFactors: number;
}

/** Writes HadamardPlan at byte `at`. */
export function putHadamardPlan<T extends HadamardPlan>(
  view: DataView,
  at: number,
  fields: Only<HadamardPlan, T>,
): void {
  view.setFloat32(at, fields.scale, true);
  view.setInt32(at + 4, word('sylvesterOrder', fields.sylvesterOrder), true);
  view.setInt32(at + 8, word('denseFactors', fields.denseFactors), true);
}

/** Bytes of HadamardFactor. */
export const HADAMARD_FACTOR_BYTES = 16;

/** A dense factor. */
export interface HadamardFactor {
  readonly kind: number; // FACTOR_KIND
  readonly order: number;
  readonly stride: number; // elements between two entries that it mixes
  readonly table: number; // bytes from the plan's start
}

/** Writes HadamardFactor at byte `at`. */
export function putHadamardFactor<T extends HadamardFactor>(
  view: DataView,
  at: number,
  fields: Only<HadamardFactor, T>,
): void {
  view.setInt32(at, word('kind', fields.kind), true);
  view.setInt32(at + 4, word('order', fields.order), true);
  view.setInt32(at + 8, word('stride', fields.stride), true);
  view.setInt32(at + 12, word('table', fields.table), true);
}

/** Bytes of Panel. Scratch of a thread for a panel of weights. */
export function panelBytes(fields: Product): number {
  const { chunkRows, tokenScale, segmentCount, samples, alongRank, tokenTiles, residualTiles } =
    fields;
  const weightBytes = tokenScale === 0 ? 4 : 2;
  const tiles = tokenTiles + residualTiles;
  let bytes = 32;
  bytes += 8 * chunkRows * weightBytes;
  bytes += 32 * segmentCount;
  bytes += 32 * segmentCount;
  bytes += 32 * samples;
  bytes += 32 * alongRank;
  bytes += 32;
  bytes += 128 * tiles;
  return bytes;
}

/**
 * Bytes of PackedTile. A tile of activations: two neighbours along k of each row at a time, or
 * four of a byte.
 */
export function packedTileBytes(k: number, codeBytes: number): number {
  const paddedK = 4 * Math.ceil(k / 4);
  return 4 * paddedK * codeBytes;
}

/** Bytes of TileOffsets. Where the accumulators of a tile start. */
export function tileOffsetsBytes(segmentCount: number): number {
  return 16 * segmentCount;
}

/** Bytes of TileGroups. What is known of the groups of activations in a tile. */
export function tileGroupsBytes(groups: number): number {
  return 16 * groups;
}

/** Bytes of TileAlong. What goes along the directions in a tile, turned; 0 past the last token. */
export function tileAlongBytes(rank: number): number {
  return 16 * rank;
}

/** Bytes of RowDigits. A row of floats as digits. */
export function rowDigitsBytes(k: number): number {
  return 3 * k;
}

/** Bytes of AttentionWork. Scratch of a thread: a head packed, and a block of its queries. */
export function attentionWorkBytes(fields: Attention): number {
  const { keys, channels, valueChannels } = fields;
  const keyPanels = Math.ceil(keys / 8);
  const valuePanels = Math.ceil(valueChannels / 8);
  let bytes = 32;
  bytes += 32 * keyPanels * channels;
  bytes += 32 * valuePanels * keys;
  bytes += 64 * channels;
  bytes += 17408;
  bytes += 512 * valuePanels;
  bytes += 64;
  bytes += 64;
  return bytes;
}

/**
 * Bytes of ColumnScratch. Scratch of a thread of `fakeQuantColumns`: what is known of each column.
 */
export const COLUMN_SCRATCH_BYTES = 8208;

/** Bytes of RowScratch. Scratch of a thread of `hadaNormQuantize`. */
export function rowScratchBytes(d: number, tempBytes: number): number {
  const paddedD = 16 * Math.ceil(d / 16);
  let bytes = 64;
  bytes += 4 * paddedD;
  bytes += tempBytes;
  return bytes;
}

/** Bytes of AlongScratch. Scratch of a thread of `hadaNormQuantizeAlong` and `splitRows`. */
export function alongScratchBytes(d: number, paddedRank: number, tempBytes: number): number {
  const paddedD = 16 * Math.ceil(d / 16);
  let bytes = 64;
  bytes += 16 * paddedD;
  bytes += 16 * paddedRank;
  bytes += tempBytes;
  return bytes;
}

/** Bytes of PaddedDirections. V, its rows filled up by 0. */
export function paddedDirectionsBytes(d: number, paddedRank: number): number {
  return 4 * d * paddedRank;
}

/** Bytes of TakenDirections. V by panels of NR rows, turned; filled up by 0. */
export function takenDirectionsBytes(d: number, rank: number): number {
  const paddedD = 8 * Math.ceil(d / 8);
  return 4 * paddedD * rank;
}

/** Bytes of DenseTemp. Scratch of a factor that goes by a table. */
export function denseTempBytes(order: number, stride: number): number {
  const gathered = stride < 4 ? order : 0;
  let bytes = 128 * order;
  bytes += 64 * gathered;
  return bytes;
}
