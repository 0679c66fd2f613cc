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
  ({ inputs: { x, scale, mean, mask }, backend }) => {
    const [tokens, d] = x.shape.slice(-2) as [number, number];
    const values = backend.readSync(x.dataId);
    const scales = scale.rank === 0 ? null : backend.readSync(scale.dataId);
    const counted = mask.rank === 0 ? null : backend.readSync(mask.dataId);
    const means =
      mean === undefined
        ? tokenMeans(values, counted, tokens, d)
        : new Float32Array(backend.readSync(mean.dataId));
    const centered = centerTokens(values, means, scales, tokens, d);
    return [
      backend.makeTensorInfo(x.shape, 'float32', centered),
      backend.makeTensorInfo(meanShape(x.shape), 'float32', means),
    ];
  },
);

/**
 * x: [samples, tokens, d] → means [samples, d], summed in float64, of the tokens whose `counted`
 * [samples, tokens] is not 0.
 */
function tokenMeans(
  x: TypedArray,
  counted: TypedArray | null,
  tokens: number,
  d: number,
): Float32Array {
  const samples = x.length / (tokens * d);
  const means = new Float32Array(samples * d);
  const sums = new Float64Array(d);
  for (let sample = 0, row = 0; sample < samples; sample++) {
    sums.fill(0);
    let count = 0;
    for (let token = 0; token < tokens; token++, row++) {
      if (counted !== null && counted[row] === 0) continue;
      count++;
      for (let c = 0, at = row * d; c < d; c++, at++) sums[c] = sums[c]! + x[at]!;
    }
    // where none counts it stays 0
    for (let c = 0; c < d && count > 0; c++) means[sample * d + c] = sums[c]! / count;
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
