import { codeOffset, fitsIn, type GroupedFormat } from '../numerics/formats.js';
import type { WasmModule } from '../wasm/module.js';
import {
  DIGITS,
  MR,
  type PackedRows,
  type Product,
  packedTileBytes,
  putSegment,
  rowDigitsBytes,
  SEGMENT_BYTES,
  STEP,
  tileAlongBytes,
  tileGroupsBytes,
  tileOffsetsBytes,
  writePackedRows,
} from '../wasm/records.js';
import type { Segments } from '../wasm/segments.js';
import { groupSizeOf } from './contract.js';
import type { CodeArgs, ProductArgs, Variant } from './wasmProductArgs.js';

/** What a product is told of activations as codes. */
export type CodeFields = TableFields &
  MadeFields &
  Pick<Product, 'tokenTiles' | 'residualTiles' | 'activationGroups' | 'residualScale'>;

/** What is found in tables of the backend. */
type TableFields = Pick<
  Product,
  'segments' | 'segmentCount' | 'chunkSegments' | 'chunkCount' | 'chunkRows'
>;

/** What packing makes and the product reads. */
type MadeFields = Pick<
  PackedRows & Product,
  'rows' | 'offsets' | 'groupScale' | 'groupShift' | 'tokenScale' | 'sampleOf'
>;

/** Tiles of the activations and of the residual's digits, and what is known of each token. */
export function packRows(
  module: WasmModule,
  args: ProductArgs & { readonly format: GroupedFormat },
  x: CodeArgs,
  cut: Segments,
  { bytes, signedWeights }: Variant,
): CodeFields {
  const { k, tokens, samples } = args;
  const groups = Math.ceil(k / x.format.granularity.groupSize);
  const digitRows = args.residual === 0 ? 0 : DIGITS * samples;
  const tokenTiles = Math.ceil(tokens / MR);
  const residualTiles = Math.ceil(digitRows / MR);
  const tiles = tokenTiles + residualTiles;
  const residualScale = digitRows === 0 ? 0 : module.scratch(4 * samples);
  const digits = digitRows === 0 ? 0 : module.scratch(samples * rowDigitsBytes(k));
  if (digitRows > 0) {
    module.run('residualDigits', [args.residual, k, digits, residualScale], samples);
  }
  const shifted = bytes === 1 && !fitsIn(x.format, 7);
  const tables = segmentTables(module, args, x, cut);
  const { segments, segmentCount } = tables;
  const groupBytes = tiles * tileGroupsBytes(groups);
  const made = {
    rows: module.scratch(tiles * packedTileBytes(k, bytes)),
    offsets: bytes === 1 ? module.scratch(tiles * tileOffsetsBytes(segmentCount)) : 0,
    groupScale: groups > 1 ? module.scratch(groupBytes) : 0,
    groupShift: shifted ? module.scratch(groupBytes) : 0,
    tokenScale: module.scratch(4 * MR * tokenTiles),
    sampleOf: module.scratch(4 * MR * tokenTiles),
  };
  const record = writePackedRows(module, {
    codes: x.codes,
    scale: x.scale,
    zeroPoint: x.zeroPoint,
    groups,
    k,
    tokens,
    tokensPerSample: tokens / samples,
    digits,
    digitRows,
    segments,
    segmentCount,
    subtract: shifted ? 128 : -1,
    weightOffset: signedWeights ? 0 : codeOffset(args.format),
    ...made,
  });
  module.run(bytes === 1 ? 'packRows8' : 'packRows16', [record], tiles, { grain: 16 });
  return { ...tables, ...made, tokenTiles, residualTiles, activationGroups: groups, residualScale };
}

/** TileAlong of all tiles of tokens; 0 where nothing goes along. */
export function packAlong(module: WasmModule, { beside, tokens }: ProductArgs): number {
  if (beside === null) return 0;
  const tiles = Math.ceil(tokens / MR);
  const to = module.scratch(tiles * tileAlongBytes(beside.rank));
  module.run('packAlong', [beside.along, tokens, beside.rank, to], tiles, { grain: 64 });
  return to;
}

function segmentTables(
  module: WasmModule,
  { k, format }: ProductArgs,
  x: CodeArgs,
  { segments, chunks, chunkRows, longest }: Segments,
): TableFields {
  const groupSizes = [format, x.format].map((side) => groupSizeOf(side, k));
  const key = `segments ${k} ${groupSizes.join(' ')} ${longest}`;
  const chunksAt = SEGMENT_BYTES * segments.length;
  const table = module.constant(key, () => {
    const view = new DataView(new ArrayBuffer(chunksAt + 4 * chunks.length));
    segments.forEach(({ start, length, weightGroup, activationGroup }, i) => {
      const steps = Math.ceil(length / STEP);
      putSegment(view, SEGMENT_BYTES * i, { start, steps, weightGroup, activationGroup });
    });
    chunks.forEach((first, i) => {
      view.setInt32(chunksAt + 4 * i, first, true);
    });
    return new Uint8Array(view.buffer);
  });
  return {
    segments: table,
    segmentCount: segments.length,
    chunkSegments: table + chunksAt,
    chunkCount: chunks.length - 1,
    chunkRows,
  };
}
