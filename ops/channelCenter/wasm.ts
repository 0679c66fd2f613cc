import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { type WasmKernelArgs, wasmKernel } from '../wasm/kernel.js';
import { columnMeans, grainOf } from '../wasm/rows.js';
import { channelCenterOp } from './composite.js';
import { type ChannelCenterAttrs, type ChannelCenterInputs, meanShape } from './contract.js';

export const channelCenterWasm = wasmKernel(channelCenterOp, channelCenterOnWasm);

/** Two passes over x: the means, then the rest. */
export function channelCenterOnWasm({
  inputs: { x, scale, mean, mask },
  module,
}: WasmKernelArgs<ChannelCenterInputs, ChannelCenterAttrs>): TensorInfo[] {
  const [tokens, d] = x.shape.slice(-2) as [number, number];
  const samples = util.sizeFromShape(x.shape) / (tokens * d);
  const centered = module.output(x.shape, 'float32');
  const means = module.output(meanShape(x.shape), 'float32');
  const source = module.addressOf(x);
  const to = module.addressOf(means);
  if (mean === undefined) {
    columnMeans(module, x, mask.rank === 0 ? undefined : mask, to);
  } else {
    const from = module.addressOf(mean);
    module.bytes().copyWithin(to, from, from + 4 * samples * d);
  }
  const scales = scale.rank === 0 ? 0 : module.addressOf(scale);
  const args = [source, module.addressOf(centered), to, scales, tokens, d];
  module.run('centerRows', args, samples * tokens, { grain: grainOf(d) });
  return [centered, means];
}
