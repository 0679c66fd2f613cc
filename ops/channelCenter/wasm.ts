import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { type WasmKernelArgs, wasmKernel } from '../wasm/kernel.js';
import {
  type ChannelCenterAttrs,
  type ChannelCenterInputs,
  channelCenterOp,
  meanShape,
} from './op.js';

/** Columns of an item of `columnMeans`: ops/wasm/assembly/rows.ts. */
const COLUMNS = 16;

/** Fewer elements than this are not worth a thread. */
const GRAIN_ELEMENTS = 16_384;

export const channelCenterWasm = wasmKernel(channelCenterOp, channelCenterOnWasm);

/** Two passes over x: the means, then the rest. */
export function channelCenterOnWasm({
  inputs: { x, scale, mean },
  module,
}: WasmKernelArgs<ChannelCenterInputs, ChannelCenterAttrs>): TensorInfo[] {
  const [tokens, d] = x.shape.slice(-2) as [number, number];
  const samples = util.sizeFromShape(x.shape) / (tokens * d);
  const centered = module.output(x.shape, 'float32');
  const means = module.output(meanShape(x.shape), 'float32');
  const source = module.addressOf(x);
  const to = module.addressOf(means);
  if (mean === undefined) {
    const items = samples * Math.ceil(d / COLUMNS);
    const grain = Math.ceil(GRAIN_ELEMENTS / (COLUMNS * tokens));
    module.run('columnMeans', [source, to, tokens, d], items, { grain });
  } else {
    const from = module.addressOf(mean);
    module.bytes().copyWithin(to, from, from + 4 * samples * d);
  }
  const scales = scale.rank === 0 ? 0 : module.addressOf(scale);
  const args = [source, module.addressOf(centered), to, scales, tokens, d];
  const grain = Math.ceil(GRAIN_ELEMENTS / d);
  module.run('centreRows', args, samples * tokens, { grain });
  return [centered, means];
}
