import {
  backend_util,
  type GatherV2Attrs,
  type GatherV2Inputs,
  type KernelBackend,
  type KernelFunc,
  type Tensor,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import { takeOver } from '../../common/takeOver.js';

/**
 * Makes lookups by sample (`batchDims`) read each sample's own indices. tfjs begins those of sample
 * b at b · samples, not at b · indices of a sample: it takes other samples' and, where there are
 * fewer than samples, what lies behind them in memory. Of an empty table it gives another shape.
 */
export function correctGathers(): void {
  takeOver('GatherV2', 'wasm', (theirs) => (params) => {
    const { x, indices } = params.inputs as GatherV2Inputs;
    const { axis, batchDims } = params.attrs as object as GatherV2Attrs;
    if (!batchDims && util.sizeFromShape(x!.shape) > 0) return theirs(params);
    const backend = params.backend as KernelBackend;
    return gatherBySample(theirs, { backend, x: x!, indices: indices!, axis, batchDims });
  });
}

interface Lookup extends GatherV2Attrs {
  readonly backend: KernelBackend;
  readonly x: TensorInfo;
  readonly indices: TensorInfo;
}

/** As one lookup of rows: x is [samples · outer · length, slice] then. */
function gatherBySample(theirs: KernelFunc, lookup: Lookup): TensorInfo {
  const { backend, x, indices } = lookup;
  const axis = util.parseAxisParam(lookup.axis, x.shape)[0]!;
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } =
    backend_util.segment_util.collectGatherOpShapeInfo(
      x as Tensor,
      indices as Tensor,
      axis,
      lookup.batchDims,
    );
  const ids = backend.readSync(indices.dataId) as Int32Array;
  const each = ids.length / batchSize;
  const rows = new Int32Array(outerSize * ids.length);
  for (let group = 0, at = 0; at < rows.length; group++) {
    const first = Math.floor(group / outerSize) * each;
    for (let i = 0; i < each; i++, at++) {
      rows[at] = group * dimSize + checked(ids[first + i]!, dimSize);
    }
  }
  const dataId = backend.write(rows, [rows.length], 'int32');
  try {
    const table = { ...x, shape: [batchSize * outerSize * dimSize, sliceSize] };
    const at: TensorInfo = { dataId, shape: [rows.length], dtype: 'int32' };
    const attrs = { axis: 0, batchDims: 0 };
    const y = theirs({ inputs: { x: table, indices: at }, backend, attrs }) as TensorInfo;
    return { ...y, shape: outputShape };
  } finally {
    backend.disposeData(dataId);
  }
}

/** An index as it is. @throws As tfjs does, where there is nothing by it. */
function checked(index: number, length: number): number {
  const there = index >= 0 && index < length;
  util.assert(there, () => `GatherV2: the index value ${index} is not in [0, ${length - 1}]`);
  return index;
}
