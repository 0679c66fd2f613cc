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
  { run: channelCenterOnWebgpu, question },
);

function channelCenterOnWebgpu({ inputs, webgpu }: Args): TensorInfo[] {
  const { x, scale, mean, mask } = inputs;
  const counted = mask.shape.length === 0 ? undefined : mask;
  const means = mean ?? meansOf(webgpu, partialSums(webgpu, x, counted));
  const given = scale.shape.length === 0 ? undefined : scale;
  const centered = centerRows(webgpu, { x, mean: means, scale: given });
  const subtracted = mean === undefined ? means : webgpu.share(mean);
  return [centered, webgpu.view(subtracted, meanShape(x.shape))];
}

const [TOKENS, D] = [50, 40];

/**
 * Two samples of 50 tokens, t² + c at channel c; of the second all times 2. Once the mean is of all
 * tokens, once of the first 20.
 */
function question(webgpu: Parameters<Question>[0]) {
  const { backend } = webgpu;
  const info = (shape: number[], values: Float32Array) =>
    webgpu.track(backend.makeTensorInfo(shape, 'float32', values));
  const value = (t: number, c: number) => t * t + c;
  const each = (make: (times: number, t: number, c: number) => number) =>
    Float32Array.from({ length: 2 * TOKENS * D }, (_, i) =>
      make(i < TOKENS * D ? 1 : 2, Math.floor(i / D) % TOKENS, i % D),
    );
  const x = info(
    [2, TOKENS, D],
    each((times, t, c) => times * value(t, c)),
  );
  return [TOKENS, 20].map((count) => {
    const counts = Float32Array.from({ length: 2 * TOKENS }, (_, i) => +(i % TOKENS < count));
    const mask = count === TOKENS ? undefined : info([2, TOKENS], counts);
    const means = meansOf(webgpu, partialSums(webgpu, x, mask));
    const average = ((count - 1) * (2 * count - 1)) / 6; // of t²
    const wanted = each((times, t, c) => times * (value(t, c) - average - c));
    const got = centerRows(webgpu, { x, mean: means, scale: undefined });
    return { got, wanted, within: 1e-2 };
  });
}
