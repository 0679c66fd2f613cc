import { BoundedMap } from '../numerics/boundedMap.js';
import { factorSigns, findHadamardPlan, type HadamardFactor } from '../numerics/hadamard.js';
import type { WasmModule } from '../wasm/module.js';
import {
  denseTempBytes,
  FACTOR_KIND,
  HADAMARD_FACTOR_BYTES,
  HADAMARD_PLAN_BYTES,
  putHadamardFactor,
  putHadamardPlan,
  VECTOR,
} from '../wasm/records.js';

/** Columns that a factor with a table takes at a time, whether there are so many or not. */
const PANEL_COLUMNS = 16;

/** A plan in WASM memory. */
export interface WasmHadamardPlan {
  readonly address: number;
  /** The `temp` that `hadamardRow` wants (bytes); 0 where no factor needs a table. */
  readonly tempBytes: number;
  /** Blocks that are transformed at a time at least, so that no factor works in vain. */
  readonly blocks: number;
}

/** A dense factor and the elements between two entries that it mixes. */
interface DenseFactor extends HadamardFactor {
  readonly stride: number;
}

/** What a block size asks for in every call: found once, or it would cost small tensors half. */
interface PlanNeeds extends Omit<WasmHadamardPlan, 'address'> {
  readonly key: string;
  readonly transposedKey: string;
}

const needs = new BoundedMap<number, PlanNeeds>(1024);

/** The plan for blocks of `blockSize`, which must have one. It is written once per backend. */
export function wasmHadamardPlan(
  module: WasmModule,
  blockSize: number,
  transpose: boolean,
): WasmHadamardPlan {
  const { key, transposedKey, tempBytes, blocks } = needs.get(blockSize, () => needsOf(blockSize));
  const address = module.constant(transpose ? transposedKey : key, () =>
    encodePlan(blockSize, transpose),
  );
  return { address, tempBytes, blocks };
}

function needsOf(blockSize: number): PlanNeeds {
  const tables = denseFactors(blockSize).filter(hasTable);
  const atOnce = tables.map(({ order }) => Math.ceil((PANEL_COLUMNS * order) / blockSize));
  return {
    key: `hadamard ${blockSize}`,
    transposedKey: `hadamard ${blockSize} transposed`,
    tempBytes: Math.max(0, ...tables.map(({ order, stride }) => denseTempBytes(order, stride))),
    blocks: Math.max(1, ...atOnce),
  };
}

function encodePlan(blockSize: number, transpose: boolean): Uint8Array {
  const dense = denseFactors(blockSize);
  const tables = dense.map((f) => (hasTable(f) ? signTable(f, transpose) : new Uint16Array()));
  const start = HADAMARD_PLAN_BYTES + HADAMARD_FACTOR_BYTES * dense.length;
  const bytes = new Uint8Array(tables.reduce((sum, table) => sum + table.byteLength, start));
  const view = new DataView(bytes.buffer);
  putHadamardPlan(view, 0, {
    scale: 1 / Math.sqrt(blockSize),
    sylvesterOrder: dense.reduce((left, { order }) => left / order, blockSize),
    denseFactors: dense.length,
  });
  let table = start;
  dense.forEach((factor, f) => {
    const { order, stride } = factor;
    const paley12 = transpose ? FACTOR_KIND.paley12Transposed : FACTOR_KIND.paley12;
    const kind = hasTable(factor) ? FACTOR_KIND.table : paley12;
    const at = HADAMARD_PLAN_BYTES + HADAMARD_FACTOR_BYTES * f;
    putHadamardFactor(view, at, { kind, order, stride, table });
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
  return order !== 12 || stride < VECTOR;
}

function denseFactors(blockSize: number): DenseFactor[] {
  const factors = findHadamardPlan(blockSize)!.factors.filter(({ kind }) => kind !== 'sylvester');
  let stride = blockSize;
  return factors.map((factor) => {
    stride /= factor.order;
    return { ...factor, stride };
  });
}
