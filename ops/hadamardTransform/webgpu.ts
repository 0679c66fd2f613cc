import type { TensorInfo } from '@tensorflow/tfjs-core';
import { transformed } from '../webgpu/hadamard.js';
import { type WebgpuKernelArgs, webgpuKernel } from '../webgpu/kernel.js';
import type { Question } from '../webgpu/knownAnswers.js';
import { hadamardTransformOp } from './composite.js';
import type { HadamardTransformAttrs, HadamardTransformInputs } from './contract.js';

type Args = WebgpuKernelArgs<HadamardTransformInputs, HadamardTransformAttrs>;

/** Blocks in workgroup memory, their factors in registers; larger ones with passes before. */
export const hadamardTransformWebgpu = webgpuKernel<
  HadamardTransformInputs,
  HadamardTransformAttrs
>(hadamardTransformOp, { run: hadamardTransformOnWebgpu, question });

function hadamardTransformOnWebgpu({ inputs: { x }, attrs, webgpu }: Args): TensorInfo {
  const { blockSize, transpose } = attrs;
  if (blockSize === 1) return webgpu.view(webgpu.share(x), x.shape);
  return transformed(webgpu, x, blockSize, transpose);
}

/** Rows of the identity there and back, by a matrix of Paley's and Sylvester's factors. */
function question(webgpu: Parameters<Question>[0]) {
  const n = 96;
  const wanted = new Float32Array(n * n);
  for (let i = 0; i < n; i++) wanted[i * n + i] = 1 + (i % 7);
  const x = webgpu.track(webgpu.backend.makeTensorInfo([n, n], 'float32', wanted.slice()));
  const there = transformed(webgpu, x, n, false);
  return [{ got: transformed(webgpu, there, n, true), wanted, within: 1e-4 }];
}
