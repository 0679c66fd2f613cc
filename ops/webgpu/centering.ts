import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { meanWgsl, type PartialSums } from './means.js';
import type { WebgpuScope } from './scope.js';
import type { Shader } from './shader.js';

/** x, and what makes (x − mean) / scale of it. */
export interface CenteredSource {
  readonly x: TensorInfo; // [..., tokens, d]
  /** [d] for all samples, or rows [samples, d or more] of which the first d are a sample's. */
  readonly mean: TensorInfo | undefined;
  readonly scale: TensorInfo | undefined; // [d]
}

const INVOCATIONS = 128;

/** (x − mean) / scale, the shape of x. By the device's own division, as tfjs's. */
export function centerRows(webgpu: WebgpuScope, source: CenteredSource): TensorInfo {
  const { x, mean, scale } = source;
  if (mean === undefined && scale === undefined) return x;
  const [tokens, d] = x.shape.slice(-2) as [number, number];
  const size = util.sizeFromShape(x.shape);
  const out = webgpu.make(x.shape);
  const meanSize = mean === undefined ? d : util.sizeFromShape(mean.shape);
  const stride = meanSize === d ? 0 : meanSize / (size / (tokens * d));
  webgpu.run(
    centerShader,
    { mean: mean !== undefined, scale: scale !== undefined },
    {
      reads: [x, mean, scale].filter((one) => one !== undefined),
      writes: [out],
      sizes: [size, d, tokens * d, stride],
      groups: Math.ceil(size / INVOCATIONS),
    },
  );
  return out;
}

/** The means of sums over tokens, [samples, d]: the second stage. */
export function meansOf(webgpu: WebgpuScope, sums: PartialSums): TensorInfo {
  const { samples, tokens, d, width, chunks, info } = sums;
  const out = webgpu.make([samples, d]);
  webgpu.run(
    meansShader,
    { masked: width > d },
    {
      reads: [info],
      writes: [out],
      sizes: [samples, tokens, d, chunks],
      groups: Math.ceil((samples * d) / INVOCATIONS),
    },
  );
  return out;
}

const centerShader: Shader<{ mean: boolean; scale: boolean }> = {
  name: 'centerRows',
  build: ({ mean, scale }) => ({
    reads: {
      x: 'f32',
      ...(mean ? { mean: 'f32' as const } : {}),
      ...(scale ? { scale: 'f32' as const } : {}),
    },
    writes: { y: 'f32' },
    sizes: ['size', 'd', 'sampleSize', 'stride'],
    invocations: INVOCATIONS,
    workgroupBytes: 0,
    code: `
fn run(lid: u32, group: u32) {
  let at = group * ${INVOCATIONS}u + lid;
  if (at >= sizes.size) { return; }
  let column = at % sizes.d;
  var v = x[at];
  ${mean ? 'v -= mean[(at / sizes.sampleSize) * sizes.stride + column];' : ''}
  ${scale ? 'v /= scale[column];' : ''}
  y[at] = v;
}`,
  }),
};

const meansShader: Shader<{ masked: boolean }> = {
  name: 'means',
  build: ({ masked }) => ({
    reads: { sums: 'f32' },
    writes: { means: 'f32' },
    sizes: ['samples', 'tokens', 'd', 'chunks'],
    invocations: INVOCATIONS,
    workgroupBytes: 0,
    code: `${meanWgsl(masked)}
fn run(lid: u32, group: u32) {
  let at = group * ${INVOCATIONS}u + lid;
  if (at < sizes.samples * sizes.d) { means[at] = meanOf(at / sizes.d, at % sizes.d); }
}`,
  }),
};
