import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { codeRange, hasZeroPoint } from '../numerics/formats.js';
import { type QuantizationLayout, quantizationLayout } from '../numerics/quantization.js';
import { type WasmKernelArgs, wasmKernel } from '../wasm/kernel.js';
import type { WasmModule } from '../wasm/module.js';
import {
  COLUMN_SCRATCH_BYTES,
  COLUMNS,
  type FakeQuantColumns,
  GROUP_RANGE_BYTES,
  putGroupRange,
  QUANTIZER_BYTES,
  writeFakeQuantColumns,
  writeFakeQuantRuns,
} from '../wasm/records.js';
import { grainOf } from '../wasm/rows.js';
import { fakeQuantOp } from './composite.js';
import type { FakeQuantAttrs, FakeQuantInputs, QuantizationRange } from './contract.js';

/** One range for a whole tensor is found in pieces of so many elements. */
const PIECE = 4096;

export const fakeQuantWasm = wasmKernel(fakeQuantOp, fakeQuantOnWasm);

/** Each group is read twice and written once, the second time from L1 where groups are rows. */
export function fakeQuantOnWasm({
  inputs: { x },
  attrs: { format, range },
  module,
}: WasmKernelArgs<FakeQuantInputs, FakeQuantAttrs>): TensorInfo {
  const layout = quantizationLayout(format.granularity, x.shape);
  const y = module.output(x.shape, 'float32');
  const common = {
    x: module.addressOf(x),
    y: module.addressOf(y),
    ranges: range === null ? 0 : writeRanges(module, range, layout.numGroups),
    ...codeRange(format),
    symmetric: hasZeroPoint(format) ? 0 : 1,
  };
  if (layout.innerStride > 0) columns(module, common, layout);
  else runs(module, common, layout, util.sizeFromShape(x.shape));
  return y;
}

/** The fields that both records have alike. */
type CommonFields = Omit<FakeQuantColumns, 'length' | 'inner' | 'groupSize'>;

function columns(
  module: WasmModule,
  common: CommonFields,
  { outer, length, inner, groupSize }: QuantizationLayout,
): void {
  const record = writeFakeQuantColumns(module, { ...common, length, inner, groupSize });
  const items = outer * Math.ceil(length / groupSize) * Math.ceil(inner / COLUMNS);
  const grain = grainOf(groupSize * COLUMNS);
  module.run('fakeQuantColumns', [record], items, { grain, scratchBytes: COLUMN_SCRATCH_BYTES });
}

function runs(
  module: WasmModule,
  common: CommonFields,
  layout: QuantizationLayout,
  size: number,
): void {
  const { length, run } = runsOf(layout, size);
  const count = (size / length) * Math.ceil(length / run);
  const { numGroups } = layout;
  const options = { grain: grainOf(run), scratchBytes: QUANTIZER_BYTES };
  let { ranges } = common;
  // groups of several runs need all of them before the first is quantized
  if (ranges === 0 && count > numGroups) {
    const parts = module.scratch(GROUP_RANGE_BYTES * count);
    ranges = module.scratch(GROUP_RANGE_BYTES * numGroups);
    const record = writeFakeQuantRuns(module, { ...common, length, run, numGroups });
    module.run('runRanges', [record, parts], count, options);
    module.run('mergeRanges', [parts, ranges, count, numGroups], numGroups, {
      grain: grainOf(count / numGroups),
    });
  }
  const record = writeFakeQuantRuns(module, { ...common, length, run, numGroups, ranges });
  module.run('fakeQuantRuns', [record], count, options);
}

/**
 * Rows of neighbours, cut into runs of one group each: run r, counted through all rows, is in group
 * r mod numGroups.
 */
function runsOf(
  { length, inner, groupSize, numGroups }: QuantizationLayout,
  size: number,
): { length: number; run: number } {
  if (numGroups === 1) return { length: size, run: PIECE };
  return { length: length * inner, run: groupSize * inner };
}

/** GroupRange[numGroups]: a static range, widened to hold 0. */
function writeRanges(
  module: WasmModule,
  { min, max }: QuantizationRange,
  numGroups: number,
): number {
  const at = (bound: number | readonly number[], g: number) =>
    typeof bound === 'number' ? bound : bound[g]!;
  const address = module.scratch(GROUP_RANGE_BYTES * numGroups);
  const view = new DataView(module.memory.buffer);
  for (let g = 0; g < numGroups; g++) {
    const range = { low: Math.min(at(min, g), 0), high: Math.max(at(max, g), 0) };
    putGroupRange(view, address + GROUP_RANGE_BYTES * g, range);
  }
  return address;
}
