import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { WebgpuScope } from './scope.js';
import type { Shader } from './shader.js';

/**
 * Inputs with numbers that are floats in memory too. tfjs's casts from int32 and bool share the
 * memory: a tensor is float32 then, and its buffer holds integers.
 */
export function withFloats<Inputs extends object>(webgpu: WebgpuScope, inputs: Inputs): Inputs {
  const entries = Object.entries(inputs) as [string, TensorInfo | undefined][];
  if (!entries.some(([, info]) => info !== undefined && holdsIntegers(webgpu, info))) return inputs;
  const floats = entries.map(([name, info]) => [
    name,
    info !== undefined && holdsIntegers(webgpu, info) ? converted(webgpu, info) : info,
  ]);
  return Object.fromEntries(floats) as Inputs;
}

function holdsIntegers({ backend }: WebgpuScope, { dataId, dtype }: TensorInfo): boolean {
  return dtype === 'float32' && backend.tensorMap.get(dataId).dtype !== 'float32';
}

function converted(webgpu: WebgpuScope, x: TensorInfo): TensorInfo {
  const size = util.sizeFromShape(x.shape);
  const out = webgpu.make(x.shape);
  const groups = Math.ceil(size / INVOCATIONS);
  webgpu.run(floatsShader, {}, { reads: [x], writes: [out], sizes: [size], groups });
  return out;
}

const INVOCATIONS = 64;

const floatsShader: Shader<Record<never, never>> = {
  name: 'floats',
  build: () => ({
    reads: { x: 'i32' },
    writes: { y: 'f32' },
    sizes: ['size'],
    invocations: INVOCATIONS,
    workgroupBytes: 0,
    code: `
fn run(lid: u32, group: u32) {
  let at = group * ${INVOCATIONS}u + lid;
  if (at < sizes.size) { y[at] = f32(x[at]); }
}`,
  }),
};
