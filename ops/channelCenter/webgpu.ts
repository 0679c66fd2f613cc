import type { TensorInfo } from '@tensorflow/tfjs-core';
import { centerRows, meansOf } from '../webgpu/centering.js';
import { type WebgpuKernelArgs, webgpuKernel } from '../webgpu/kernel.js';
import type { Question } from '../webgpu/knownAnswers.js';
import { partialSums } from '../webgpu/means.js';
import { channelCenterOp } from './composite.js';
import { type ChannelCenterAttrs, type ChannelCenterInputs, meanShape } from './contract.js';

type Args = WebgpuKernelArgs<ChannelCenterInputs, ChannelCenterAttrs>;

/** Sums over chunks of tokens, then means, then one pass to subtract and divide. */
export const channelCenterWebgpu = webgpuKernel<ChannelCenterInputs, ChannelCenterAttrs>(
  channelCenterOp,
  {
    run: channelCenterOnWebgpu,
    // means of the tokens that a mask counts are composed
    takes: ({ mask }) => mask.rank === 0,
    question,
  },
);

function channelCenterOnWebgpu({ inputs, webgpu }: Args): TensorInfo[] {
  const { x, scale, mean } = inputs;
  const means = mean ?? meansOf(webgpu, partialSums(webgpu, x));
  const given = scale.rank === 0 ? undefined : scale;
  const centered = centerRows(webgpu, { x, mean: means, scale: given });
  // a given mean is an output as well: one more reference to its data
  if (mean !== undefined) webgpu.backend.incRef(mean.dataId);
  return [centered, webgpu.view(means, meanShape(x.shape))];
}

/** Two samples of 50 tokens, t² + c at channel c; of the first all times 2. */
function question(webgpu: Parameters<Question>[0]) {
  const [tokens, d] = [50, 40];
  const size = tokens * d;
  const value = (t: number, c: number) => t * t + c;
  const values = Float32Array.from({ length: 2 * size }, (_, i) => {
    const at = i % size;
    return (i < size ? 2 : 1) * value(Math.floor(at / d), at % d);
  });
  const x = webgpu.track(webgpu.backend.makeTensorInfo([2, tokens, d], 'float32', values));
  const means = meansOf(webgpu, partialSums(webgpu, x));
  const centered = centerRows(webgpu, { x, mean: means, scale: undefined });
  const average = (49 * 99) / 6; // of t²
  const wanted = values.map((v, i) => v - (i < size ? 2 : 1) * (average + (i % d)));
  return [{ got: centered, wanted, within: 1e-2 }];
}
