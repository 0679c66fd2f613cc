import type { TypedArray } from '@tensorflow/tfjs-core';
import { type CpuBackend, defineKernel } from '../common/kernel.js';
import {
  type ChannelCenterAttrs,
  type ChannelCenterInputs,
  channelCenterContract,
  meanShape,
} from './contract.js';

export const channelCenterCpu = defineKernel<ChannelCenterInputs, ChannelCenterAttrs, CpuBackend>(
  channelCenterContract,
  'cpu',
  ({ inputs: { x, scale, mean }, backend }) => {
    const [tokens, d] = x.shape.slice(-2) as [number, number];
    const values = backend.readSync(x.dataId);
    const scales = scale.rank === 0 ? null : backend.readSync(scale.dataId);
    const means =
      mean === undefined
        ? tokenMeans(values, tokens, d)
        : new Float32Array(backend.readSync(mean.dataId));
    const centered = centerTokens(values, means, scales, tokens, d);
    return [
      backend.makeTensorInfo(x.shape, 'float32', centered),
      backend.makeTensorInfo(meanShape(x.shape), 'float32', means),
    ];
  },
);

/** x: [samples, tokens, d] → means [samples, d], summed in float64. */
function tokenMeans(x: TypedArray, tokens: number, d: number): Float32Array {
  const samples = x.length / (tokens * d);
  const means = new Float32Array(samples * d);
  const sums = new Float64Array(d);
  for (let sample = 0, at = 0; sample < samples; sample++) {
    sums.fill(0);
    for (let token = 0; token < tokens; token++) {
      for (let c = 0; c < d; c++) sums[c] = sums[c]! + x[at++]!;
    }
    for (let c = 0; c < d; c++) means[sample * d + c] = sums[c]! / tokens;
  }
  return means;
}

function centerTokens(
  x: TypedArray,
  means: Float32Array,
  scales: TypedArray | null,
  tokens: number,
  d: number,
): Float32Array {
  const centered = new Float32Array(x.length);
  for (let start = 0, mean = 0; start < x.length; start += tokens * d, mean += d) {
    for (let row = start; row < start + tokens * d; row += d) {
      if (scales === null) {
        for (let c = 0; c < d; c++) centered[row + c] = x[row + c]! - means[mean + c]!;
      } else {
        for (let c = 0; c < d; c++) {
          centered[row + c] = (x[row + c]! - means[mean + c]!) / scales[c]!;
        }
      }
    }
  }
  return centered;
}
