import { factorSigns, findHadamardPlan, type HadamardFactor } from '../numerics/hadamard.js';
import type { WasmModule } from '../wasm/module.js';

/** A plan in WASM memory, as ops/wasm/assembly/hadamard.ts reads it. */
export interface WasmHadamardPlan {
  readonly address: number;
  /** The `temp` that `hadamardRow` wants (bytes); 0 where no factor needs a table. */
  readonly tempBytes: number;
}

/** A dense factor and the elements between two entries that it mixes. */
interface DenseFactor extends HadamardFactor {
  readonly stride: number;
}

const HEADER_BYTES = 12;
const FACTOR_BYTES = 16;
const KIND = { table: 0, paley12: 1, paley12Transposed: 2 } as const;

/** The plan for blocks of `blockSize`, which must have one. It is written once per backend. */
export function wasmHadamardPlan(
  module: WasmModule,
  blockSize: number,
  transpose: boolean,
): WasmHadamardPlan {
  const key = `hadamard ${blockSize} ${transpose}`;
  const address = module.constant(key, () => encodePlan(blockSize, transpose));
  return { address, tempBytes: Math.max(0, ...denseFactors(blockSize).map(tempBytesOf)) };
}

function encodePlan(blockSize: number, transpose: boolean): Uint8Array {
  const dense = denseFactors(blockSize);
  const tables = dense.map((f) => (hasTable(f) ? signTable(f, transpose) : new Uint16Array()));
  const start = HEADER_BYTES + FACTOR_BYTES * dense.length;
  const bytes = new Uint8Array(tables.reduce((sum, table) => sum + table.byteLength, start));
  const view = new DataView(bytes.buffer);
  view.setFloat32(0, 1 / Math.sqrt(blockSize), true);
  view.setInt32(
    4,
    dense.reduce((rest, { order }) => rest / order, blockSize),
    true,
  );
  view.setInt32(8, dense.length, true);
  let table = start;
  dense.forEach((factor, f) => {
    const { order, stride } = factor;
    const paley12 = transpose ? KIND.paley12Transposed : KIND.paley12;
    const words = [hasTable(factor) ? KIND.table : paley12, order, stride, table];
    words.forEach((word, i) => {
      view.setInt32(HEADER_BYTES + FACTOR_BYTES * f + 4 * i, word, true);
    });
    bytes.set(new Uint8Array(tables[f]!.buffer), table);
    table += tables[f]!.byteLength;
  });
  return bytes;
}

/**
 * For each output: how many sums to add, which, and which to subtract; see
 * ops/wasm/assembly/hadamardDense.ts.
 */
function signTable(factor: HadamardFactor, transpose: boolean): Uint16Array {
  const { order } = factor;
  const signs = factorSigns(factor);
  const signOf = (i: number, j: number) => signs[transpose ? j * order + i : i * order + j]!;
  const table: number[] = [];
  for (let j = 0; j < order; j++) {
    const plus: number[] = [];
    const minus: number[] = [];
    for (let i = 0; i < order; i += 4) {
      const first = signOf(i, j);
      const flips = [1, 2, 3].filter((at) => signOf(i + at, j) !== first);
      const sum = 2 * i + flips.reduce((code, at) => code + 2 ** (at - 1), 0);
      (first > 0 ? plus : minus).push(sum);
    }
    table.push(plus.length, ...plus, ...minus);
  }
  return Uint16Array.from(table);
}

/** Order 12 has its own algorithm where four neighbours are in different columns. */
function hasTable({ order, stride }: DenseFactor): boolean {
  return order !== 12 || stride < 4;
}

function tempBytesOf(factor: DenseFactor): number {
  if (!hasTable(factor)) return 0;
  return factor.order * (factor.stride < 4 ? 192 : 128);
}

function denseFactors(blockSize: number): DenseFactor[] {
  const factors = findHadamardPlan(blockSize)!.factors.filter(({ kind }) => kind !== 'sylvester');
  let stride = blockSize;
  return factors.map((factor) => {
    stride /= factor.order;
    return { ...factor, stride };
  });
}
