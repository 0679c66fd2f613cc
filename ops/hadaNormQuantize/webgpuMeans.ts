import type { TensorInfo } from '@tensorflow/tfjs-core';
import { meanWgsl, type PartialSums } from '../webgpu/means.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import type { Shader } from '../webgpu/shader.js';

/**
 * What the means give, for each sample: μ [d], then off = (μ − mean) / scale [d], then the
 * coefficients [r] once more, so that programs bind one buffer for all.
 */
export interface MeanParts {
  readonly info: TensorInfo; // [samples, 2 d + r]
  readonly coefficients: TensorInfo | null; // [samples, r]
}

/** The second stage of the means, and what of them goes by the basis. */
export function meanParts(
  webgpu: WebgpuScope,
  sums: PartialSums,
  { mean, scale, basis }: Readonly<Record<'mean' | 'scale' | 'basis', TensorInfo | undefined>>,
): MeanParts {
  const { samples, tokens, d, width, chunks } = sums;
  const rank = basis?.shape[0] ?? 0;
  const info = webgpu.make([samples, 2 * d + rank]);
  const coefficients = basis === undefined ? null : webgpu.make([samples, rank]);
  const spec = {
    masked: width > d,
    ...{ mean: mean !== undefined, scale: scale !== undefined, basis: rank > 0 },
  };
  const given = [mean, scale, basis].filter((one) => one !== undefined);
  const columns = Math.ceil(d / INVOCATIONS);
  webgpu.run(partsShader, spec, {
    reads: [sums.info, ...given],
    writes: coefficients === null ? [info] : [info, coefficients],
    sizes: [samples, tokens, d, chunks, rank, columns],
    groups: samples * (columns + rank),
  });
  return { info, coefficients };
}

const INVOCATIONS = 128;

interface PartsSpec {
  readonly [field: string]: boolean;
  readonly masked: boolean;
  readonly mean: boolean;
  readonly scale: boolean;
  readonly basis: boolean;
}

/**
 * Of the workgroups of a sample the first give columns of the means, the others a coefficient each,
 * the means made again: they are short sums.
 */
const partsShader: Shader<PartsSpec> = {
  name: 'meanParts',
  build: ({ masked, mean, scale, basis }) => ({
    reads: {
      sums: 'f32',
      ...(mean ? { origin: 'f32' as const } : {}),
      ...(scale ? { scale: 'f32' as const } : {}),
      ...(basis ? { basis: 'f32' as const } : {}),
    },
    writes: { parts: 'f32', ...(basis ? { coefficients: 'f32' as const } : {}) },
    sizes: ['samples', 'tokens', 'd', 'chunks', 'rank', 'columns'],
    invocations: INVOCATIONS,
    workgroupBytes: 4 * INVOCATIONS,
    code: `${meanWgsl(masked)}
var<workgroup> terms: array<f32, ${INVOCATIONS}>;
fn offOf(mean: f32, column: u32) -> f32 {
  var off = mean;
  ${mean ? 'off -= origin[column];' : ''}
  ${scale ? 'off /= scale[column];' : ''}
  return off;
}
fn run(lid: u32, group: u32) {
  let sample = group / (sizes.columns + sizes.rank);
  let part = group % (sizes.columns + sizes.rank);
  let first = sample * (2u * sizes.d + sizes.rank);
  if (sample >= sizes.samples) { return; }
  if (part < sizes.columns) {
    let column = part * ${INVOCATIONS}u + lid;
    if (column < sizes.d) {
      let mean = meanOf(sample, column);
      parts[first + column] = mean;
      parts[first + sizes.d + column] = offOf(mean, column);
    }
    return;
  }
  ${basis ? COEFFICIENT_WGSL : ''}
}`,
  }),
};

const COEFFICIENT_WGSL = `
  let row = part - sizes.columns;
  var sum = 0f;
  for (var column = lid; column < sizes.d; column += ${INVOCATIONS}u) {
    sum += offOf(meanOf(sample, column), column) * basis[row * sizes.d + column];
  }
  terms[lid] = sum;
  workgroupBarrier();
  for (var half = ${INVOCATIONS / 2}u; half > 0u; half /= 2u) {
    if (lid < half) { terms[lid] += terms[lid + half]; }
    workgroupBarrier();
  }
  if (lid == 0u) {
    coefficients[sample * sizes.rank + row] = terms[0];
    parts[first + 2u * sizes.d + row] = terms[0];
  }`;

/** off − c B. */
export const residualShader: Shader<{ basis: boolean }> = {
  name: 'residual',
  build: ({ basis }) => ({
    reads: { parts: 'f32', ...(basis ? { basis: 'f32' } : {}) },
    writes: { out: 'f32' },
    sizes: ['samples', 'd', 'rank'],
    invocations: 64,
    workgroupBytes: 0,
    code: `
fn run(lid: u32, group: u32) {
  let at = group * 64u + lid;
  let sample = at / sizes.d;
  let column = at % sizes.d;
  if (sample >= sizes.samples) { return; }
  let first = sample * (2u * sizes.d + sizes.rank) + sizes.d;
  var off = parts[first + column];
  for (var i = 0u; i < sizes.rank; i++) {
    ${basis ? 'off -= parts[first + sizes.d + i] * basis[i * sizes.d + column];' : ''}
  }
  out[at] = off;
}`,
  }),
};
