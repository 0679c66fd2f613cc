import {
  div,
  matMul,
  reshape,
  scalar,
  sub,
  type Tensor,
  type Tensor2D,
} from '@tensorflow/tfjs-core';
import { channelCenterOp, meanOfSamples } from '../channelCenter/composite.js';
import { runOp } from '../common/kernel.js';
import { hadamardTransformOp } from '../hadamardTransform/composite.js';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';

/** x' [..., tokens, d] → codes, scale and zero point, as the kernel gives them. */
export type Quantize = (x: Tensor, attrs: HadaNormQuantizeAttrs) => [Tensor, Tensor, Tensor];

/** Centers, scales and rotates by ops, and quantizes as the caller wants it. */
export function transformAndQuantize(
  { x, scale, mean, basis, mask }: HadaNormQuantizeInputs,
  attrs: HadaNormQuantizeAttrs,
  quantize: Quantize,
): Tensor[] {
  const { blockSize } = attrs;
  const rotate = (tensor: Tensor): Tensor =>
    blockSize === 0
      ? tensor
      : runOp(hadamardTransformOp, { x: tensor }, { transpose: false, blockSize });
  if (attrs.center !== 'dynamic') {
    return quantize(rotate(shiftAndScale(x, scale, mean)), attrs);
  }
  const [centered, means] = centerTokens(x, { scale, mask });
  const codes = quantize(rotate(centered), attrs);
  const d = x.shape[x.rank - 1]!;
  const off = shiftAndScale(reshape(means, [means.size / d, d]), scale, mean) as Tensor2D;
  if (basis === undefined) return [...codes, rotate(off)];
  const coefficients = matMul(off, basis as Tensor2D, false, true);
  const residual = sub(off, matMul(coefficients, basis as Tensor2D));
  return [...codes, rotate(residual), coefficients];
}

function shiftAndScale(x: Tensor, scale: Tensor | undefined, mean: Tensor | undefined): Tensor {
  if (mean !== undefined) return centerTokens(x, { scale, mean: meanOfSamples(mean, x.shape) })[0];
  return scale === undefined ? x : div(x, scale);
}

/** Less the mean, each sample's own or the given one [..., 1, d], over the scale; and the mean. */
function centerTokens(
  x: Tensor,
  { scale, mean, mask }: Pick<HadaNormQuantizeInputs, 'scale' | 'mean' | 'mask'>,
): [Tensor, Tensor] {
  const none = scalar(1);
  const inputs = { x, scale: scale ?? none, mean, mask: mask ?? none };
  return runOp(channelCenterOp, inputs, { dynamic: mean === undefined });
}
