import type { WasmModule } from '../wasm/module.js';
import { type Fields, writeRecord } from '../wasm/records.js';
import { CHUNK_ROWS, type Segments, segmentsOf } from '../wasm/segments.js';
import type { Activation } from './contract.js';

/** Rows in a tile of activations, columns in a panel of weights: ops/wasm/assembly/gemmTypes.ts. */
const MR = 4;
const NR = 8;

/**
 * The longest segment of 8-bit weights that stay exact as floats where the activations' zero points
 * come after the sum: 128 · 128 · 1024 is 2^24.
 */
const LONGEST_8_BITS = 1024;

/** Bytes of a row of accumulators in a thread's scratch memory. */
const ROW_BYTES = 4 * NR;

const ACTIVATIONS: readonly Activation[] = ['none', 'gelu', 'geluTanh', 'silu', 'relu'];

/** A product by packed weights; every tensor is an address, 0 for one that is not there. */
export interface ProductArgs {
  readonly codes: number; // packed, or f32 [k, n] where bits is 32
  readonly bits: number;
  readonly scale: number; // [groups, n]
  readonly groupSize: number;
  readonly k: number;
  readonly n: number;
  readonly tokens: number; // of all samples
  readonly samples: number; // of which each has its row; 1 where there are no rows
  readonly residual: number; // [samples, k]
  readonly coefficients: number; // [samples, rank]
  readonly basis: number; // [rank, n]
  readonly rank: number;
  readonly bias: number; // [n]
  readonly activation: Activation;
  readonly out: number; // [tokens, n]
}

/** Activations as codes. */
export interface CodeArgs {
  readonly codes: number; // u8 [tokens, k]
  readonly scale: number; // [tokens, groups]
  readonly zeroPoint: number; // [tokens, groups]
  readonly bits: number;
  readonly groupSize: number;
}

/** Which kernel multiplies, and what it can take. */
interface Variant {
  readonly kernel: 'gemm16' | 'gemmRelaxed16' | 'gemmRelaxed32';
  readonly bytes: 1 | 2; // of a packed code of the activations
  readonly signedWeights: boolean; // q instead of u = q + 2^(b−1)
}

/** out = activation(x W + rows) for float32 x [tokens, k]. */
export function floatProduct(module: WasmModule, args: ProductArgs, x: number): void {
  const chunkRows = Math.min(CHUNK_ROWS, Math.ceil(args.k / 4) * 4);
  const fields = {
    ...productFields(args),
    segmentCount: 1,
    chunkRows,
    rows: x,
    residual: args.residual,
    sampleOf: sampleTable(module, args),
  };
  const bytes = scratchBytes(fields, 4 * NR * chunkRows);
  runProduct(module, 'gemmFloat', fields, args.n, bytes);
}

/**
 * The same for codes, in integers within a segment. False where it cannot be: a group of weights or
 * activations ends within four neighbours, or weights are float32.
 */
export function integerProduct(module: WasmModule, args: ProductArgs, x: CodeArgs): boolean {
  if (args.bits > 8) return false;
  const variant = variantFor(module, args.bits);
  const longest = args.bits === 8 && variant.bytes === 1 ? LONGEST_8_BITS : CHUNK_ROWS;
  const cut = segmentsOf(args.k, args.groupSize, x.groupSize, longest);
  if (cut === null) return false;
  const rows = packRows(module, args, x, cut, variant);
  const fields = { ...productFields(args), ...rows, ...weightFields(args.bits, variant) };
  runProduct(module, variant.kernel, fields, args.n, scratchBytes(fields, 2 * NR * cut.chunkRows));
  return true;
}

function weightFields(bits: number, { signedWeights }: Variant): Fields {
  return { flushSteps: flushSteps(bits), flip: signedWeights ? 128 : 0 };
}

/**
 * Steps of four products that a pair's 16-bit sum can take: activations reach −128, weights 2^b −
 * 1, two products a sum and step.
 */
function flushSteps(bits: number): number {
  return Math.floor(32767 / (2 * 128 * (2 ** bits - 1)));
}

/**
 * Relaxed SIMD needs weights below 128 as unsigned codes, unless the machine's own dot product
 * takes all eight bits.
 */
function variantFor({ relaxed }: WasmModule, bits: number): Variant {
  const wide: Variant = { kernel: 'gemm16', bytes: 2, signedWeights: false };
  if (relaxed === null) return wide;
  if (relaxed === 'pairs') {
    return bits === 8 ? wide : { kernel: 'gemmRelaxed16', bytes: 1, signedWeights: false };
  }
  const signedWeights = bits === 8 && relaxed === 'signed';
  return { kernel: 'gemmRelaxed32', bytes: 1, signedWeights };
}

/** Tiles of the activations and of the residual's digits, and what is known of each token. */
function packRows(
  module: WasmModule,
  args: ProductArgs,
  x: CodeArgs,
  cut: Segments,
  { bytes, signedWeights }: Variant,
): Fields {
  const { k, tokens, samples } = args;
  const groups = Math.ceil(k / x.groupSize);
  const digitRows = args.residual === 0 ? 0 : 3 * samples;
  const tokenTiles = Math.ceil(tokens / MR);
  const residualTiles = Math.ceil(digitRows / MR);
  const tiles = tokenTiles + residualTiles;
  const residualScale = digitRows === 0 ? 0 : module.scratch(4 * samples);
  const digits = digitRows === 0 ? 0 : module.scratch(digitRows * k);
  if (digitRows > 0) {
    module.run('residualDigits', [args.residual, k, digits, residualScale], samples);
  }
  const shifted = bytes === 1 && x.bits === 8;
  const tables = segmentTables(module, args, x, cut);
  const made = {
    rows: module.scratch(tiles * MR * Math.ceil(k / 4) * 4 * bytes),
    offsets: bytes === 1 ? module.scratch(16 * tiles * cut.segments.length) : 0,
    groupScale: groups > 1 ? module.scratch(16 * tiles * groups) : 0,
    groupShift: shifted ? module.scratch(16 * tiles * groups) : 0,
    tokenScale: module.scratch(4 * tokens),
    sampleOf: module.scratch(4 * tokens),
  };
  const fields: Fields = {
    codes: x.codes,
    scale: x.scale,
    zeroPoint: x.zeroPoint,
    groups,
    k,
    tokens,
    tokensPerSample: tokens / samples,
    digits,
    digitRows,
    subtract: shifted ? 128 : -1,
    weightOffset: signedWeights ? 0 : 2 ** (args.bits - 1),
    ...tables,
    ...made,
  };
  const record = writeRecord(module, ROWS_FIELDS, fields);
  module.run(bytes === 1 ? 'packRows8' : 'packRows16', [record], tiles, { grain: 16 });
  return { ...tables, ...made, tokenTiles, residualTiles, activationGroups: groups, residualScale };
}

function segmentTables(
  module: WasmModule,
  { k, groupSize }: ProductArgs,
  x: CodeArgs,
  { segments, chunks, chunkRows, longest }: Segments,
): Fields {
  const key = `segments ${k} ${groupSize} ${x.groupSize} ${longest}`;
  const table = module.constant(key, () => {
    const rows = segments.flatMap(({ start, length, weightGroup, activationGroup }) => [
      start,
      Math.ceil(length / 4),
      weightGroup,
      activationGroup,
    ]);
    return new Uint8Array(Int32Array.from([...rows, ...chunks]).buffer);
  });
  return {
    segments: table,
    segmentCount: segments.length,
    chunkSegments: table + 16 * segments.length,
    chunkCount: chunks.length - 1,
    chunkRows,
  };
}

/** Which sample a token belongs to: needed only where samples have rows of their own. */
function sampleTable(module: WasmModule, { tokens, samples }: ProductArgs): number {
  const key = `samples ${tokens} ${samples}`;
  const perSample = tokens / samples;
  return module.constant(key, () => {
    const table = Int32Array.from({ length: tokens }, (_, t) => Math.floor(t / perSample));
    return new Uint8Array(table.buffer);
  });
}

function productFields(args: ProductArgs): Fields {
  const { codes, bits, k, n, scale, groupSize, tokens, samples } = args;
  const { coefficients, basis, rank, bias, out } = args;
  return {
    codes,
    bits,
    k,
    n,
    scale,
    groupSize,
    tokens,
    samples,
    coefficients,
    basis,
    rank,
    bias,
    out,
    tokenTiles: Math.ceil(tokens / MR),
    residualTiles: args.residual === 0 ? 0 : Math.ceil(samples / MR),
    activation: ACTIVATIONS.indexOf(args.activation),
  };
}

/** As placePanel in ops/wasm/assembly/gemmPanel.ts lays it out. */
function scratchBytes(
  { segmentCount, samples, tokenTiles, residualTiles }: Fields,
  weightBytes: number,
): number {
  const rows = 2 * segmentCount! + samples! + MR * (tokenTiles! + residualTiles!);
  return 32 + weightBytes + ROW_BYTES * rows;
}

function runProduct(
  module: WasmModule,
  kernel: string,
  fields: Fields,
  n: number,
  scratch: number,
): void {
  const record = writeRecord(module, PRODUCT_FIELDS, fields);
  const panels = Math.ceil(n / NR);
  module.run(kernel, [record], panels, { grain: 4, scratchBytes: scratch });
}

/**
 * The fields of a record in ops/wasm/assembly/gemmTypes.ts (Product) and gemmRows.ts (Rows), in
 * order; absent ones are 0.
 */
const PRODUCT_FIELDS =
  'codes bits k n scale groupSize segments segmentCount chunkSegments chunkCount chunkRows rows residual tokenTiles residualTiles offsets flushSteps flip groupScale groupShift activationGroups tokens samples tokenScale sampleOf residualScale coefficients basis rank bias activation out'.split(
    ' ',
  );
const ROWS_FIELDS =
  'codes scale zeroPoint groups k tokens tokensPerSample digits digitRows segments segmentCount subtract weightOffset rows offsets groupScale groupShift tokenScale sampleOf'.split(
    ' ',
  );
