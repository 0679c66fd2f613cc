import { factorSigns, findHadamardPlan, type HadamardFactor } from '../common/hadamard.js';
import type { WasmModule } from '../wasm/module.js';

/** A plan in WASM memory, as ops/wasm/assembly/hadamard.ts reads it. */
export interface WasmHadamardPlan {
  readonly address: number;
  /** The `temp` that `hadamardRow` wants; 0 for a power of two. */
  readonly tempBytes: number;
}

const HEADER_BYTES = 12;
const FACTOR_BYTES = 12;

/** The plan for blocks of `blockSize`, which must have one. It is written once per backend. */
export function wasmHadamardPlan(
  module: WasmModule,
  blockSize: number,
  transpose: boolean,
): WasmHadamardPlan {
  const dense = denseFactors(blockSize);
  const key = `hadamard ${blockSize} ${transpose}`;
  const address = module.constant(key, () => encodePlan(blockSize, transpose));
  // one vector for each of the 16 signed sums of every four inputs
  return { address, tempBytes: 64 * Math.max(0, ...dense.map(({ order }) => order)) };
}

function encodePlan(blockSize: number, transpose: boolean): Uint8Array {
  const dense = denseFactors(blockSize);
  const denseSize = dense.reduce((size, { order }) => size * order, 1);
  const tables = dense.map((factor) => signTable(factor, transpose));
  const tableStart = HEADER_BYTES + FACTOR_BYTES * dense.length;
  const bytes = new Uint8Array(tables.reduce((sum, t) => sum + t.byteLength, tableStart));
  const view = new DataView(bytes.buffer);
  view.setFloat32(0, 1 / Math.sqrt(blockSize), true);
  view.setInt32(4, blockSize / denseSize, true);
  view.setInt32(8, dense.length, true);
  let stride = blockSize;
  let table = tableStart;
  dense.forEach(({ order }, f) => {
    stride /= order;
    [order, stride, table].forEach((value, i) => {
      view.setInt32(HEADER_BYTES + FACTOR_BYTES * f + 4 * i, value, true);
    });
    bytes.set(new Uint8Array(tables[f]!.buffer), table);
    table += tables[f]!.byteLength;
  });
  return bytes;
}

/** For output j and inputs 4k … 4k + 3: 16k + the signs of the four, bit i set for a minus. [order, order / 4]. */
function signTable(factor: HadamardFactor, transpose: boolean): Uint16Array {
  const { order } = factor;
  const signs = factorSigns(factor);
  const table = new Uint16Array((order * order) / 4);
  for (let j = 0; j < order; j++) {
    for (let i = 0; i < order; i++) {
      const sign = signs[transpose ? j * order + i : i * order + j]!;
      const at = (j * order + i) >> 2;
      if (i % 4 === 0) table[at] = 4 * i;
      if (sign < 0) table[at] = table[at]! | (1 << (i % 4));
    }
  }
  return table;
}

function denseFactors(blockSize: number): HadamardFactor[] {
  return findHadamardPlan(blockSize)!.factors.filter(({ kind }) => kind !== 'sylvester');
}
