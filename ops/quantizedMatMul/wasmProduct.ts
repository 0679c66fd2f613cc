import { codeRange, fitsIn, type GroupedFormat } from '../numerics/formats.js';
import type { WasmModule } from '../wasm/module.js';
import {
  ACTIVATION,
  MR,
  NR,
  type Product,
  panelBytes,
  STEP,
  writeProduct,
} from '../wasm/records.js';
import { CHUNK_ROWS, segmentsOf } from '../wasm/segments.js';
import { groupSizeOf } from './contract.js';
import { packAlong, packRows } from './wasmPackedRows.js';
import type { CodeArgs, ProductArgs, Variant } from './wasmProductArgs.js';

/**
 * The longest segment of 8-bit weights that stay exact as floats where the activations' zero points
 * come after the sum: 128 · 128 · 1024 is 2^24.
 */
const LONGEST_8_BITS = 1024;

/** out = activation(x W + rows) for float32 x [tokens, k]. */
export function floatProduct(module: WasmModule, args: ProductArgs, x: number): void {
  runProduct(module, 'gemmFloat', {
    ...productFields(module, args),
    ...NO_CODES,
    segmentCount: 1,
    chunkRows: Math.min(CHUNK_ROWS, Math.ceil(args.k / STEP) * STEP),
    rows: x,
    residual: args.residual,
    residualTiles: args.residual === 0 ? 0 : Math.ceil(args.samples / MR),
    sampleOf: sampleTable(module, args),
  });
}

/**
 * The same for codes, in integers within a segment. False where it cannot be: a group of weights or
 * activations ends within four neighbours, or weights are float32.
 */
export function integerProduct(module: WasmModule, args: ProductArgs, x: CodeArgs): boolean {
  const { k, format } = args;
  if (format.kind === 'float32') return false;
  const variant = variantFor(module, format);
  const longest = fitsIn(format, 7) || variant.bytes === 2 ? CHUNK_ROWS : LONGEST_8_BITS;
  const [groupSize, xGroupSize] = [format, x.format].map((side) => side.granularity.groupSize);
  const cut = segmentsOf(k, groupSize!, xGroupSize!, longest);
  if (cut === null) return false;
  runProduct(module, variant.kernel, {
    ...productFields(module, args),
    ...packRows(module, { ...args, format }, x, cut, variant),
    residual: 0,
    flushSteps: flushSteps(format),
    flip: variant.signedWeights ? 128 : 0,
  });
  return true;
}

/**
 * Steps of four products that a pair's 16-bit sum can take: activations reach −128, weights 2^b −
 * 1, two products a sum and step.
 */
function flushSteps(format: GroupedFormat): number {
  const { qMin, qMax } = codeRange(format);
  return Math.floor(32767 / (2 * 128 * (qMax - qMin)));
}

/**
 * Relaxed SIMD needs weights below 128 as unsigned codes, unless the machine's own dot product
 * takes all eight bits.
 */
function variantFor({ relaxed }: WasmModule, format: GroupedFormat): Variant {
  const wide: Variant = { kernel: 'gemm16', bytes: 2, signedWeights: false };
  if (relaxed === null) return wide;
  if (relaxed === 'pairs') {
    return fitsIn(format, 7) ? { kernel: 'gemmRelaxed16', bytes: 1, signedWeights: false } : wide;
  }
  const signedWeights = !fitsIn(format, 7) && relaxed === 'signed';
  return { kernel: 'gemmRelaxed32', bytes: 1, signedWeights };
}

/** What a product of floats has none of. */
const NO_CODES = {
  segments: 0,
  chunkSegments: 0,
  chunkCount: 0,
  offsets: 0,
  flushSteps: 0,
  flip: 0,
  groupScale: 0,
  groupShift: 0,
  activationGroups: 0,
  tokenScale: 0,
  residualScale: 0,
} as const;

/** i32 [tokenTiles · MR]: which sample each token belongs to, 0 for rows without one. */
function sampleTable(module: WasmModule, { tokens, samples }: ProductArgs): number {
  const rows = MR * Math.ceil(tokens / MR);
  const at = module.scratch(4 * rows);
  const table = new Int32Array(module.memory.buffer, at, rows);
  const perSample = tokens / samples;
  for (let sample = 0; sample < samples; sample++) {
    table.fill(sample, sample * perSample, (sample + 1) * perSample);
  }
  table.fill(0, tokens);
  return at;
}

/** The fields that products of codes and of floats fill alike. */
function productFields(module: WasmModule, args: ProductArgs) {
  const { codes, format, k, n, scale, tokens, samples } = args;
  const { coefficients, basis, rank, bias, beside, out } = args;
  return {
    codes,
    bits: format.kind === 'float32' ? 32 : format.bits,
    k,
    n,
    scale,
    groupSize: groupSizeOf(format, k),
    tokens,
    samples,
    coefficients,
    basis,
    rank,
    bias,
    out,
    tokenTiles: Math.ceil(tokens / MR),
    activation: ACTIVATION[args.activation],
    along: packAlong(module, args),
    alongRank: beside?.rank ?? 0,
    directions: beside?.directions ?? 0,
    directionScale: beside?.scale ?? 0,
    directionRows: beside?.rows ?? 0,
  };
}

function runProduct(module: WasmModule, kernel: string, fields: Product): void {
  const record = writeProduct(module, fields);
  const panels = Math.ceil(fields.n / NR);
  module.run(kernel, [record], panels, { grain: 4, scratchBytes: panelBytes(fields) });
}
