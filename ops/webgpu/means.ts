import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { WebgpuScope } from './scope.js';
import type { Shader } from './shader.js';

/** Columns of a workgroup, and the slices of its tokens. */
const [COLUMNS, SLICES] = [32, 8];
/** Workgroups that keep a large GPU busy. */
const ENOUGH_GROUPS = 256;
/** Tokens that an invocation adds up, at least, where there are so many. */
const LEAST_TOKENS = 4;

/** Sums over the tokens of each sample, in chunks: [samples, chunks, d]. */
export interface PartialSums {
  readonly info: TensorInfo;
  readonly samples: number;
  readonly tokens: number;
  readonly d: number;
  readonly chunks: number;
}

/** The first of two stages of a mean over tokens. x: [..., tokens, d] */
export function partialSums(webgpu: WebgpuScope, x: TensorInfo): PartialSums {
  const [tokens, d] = x.shape.slice(-2) as [number, number];
  const samples = util.sizeFromShape(x.shape) / (tokens * d);
  const tiles = Math.ceil(d / COLUMNS);
  const wanted = Math.ceil(ENOUGH_GROUPS / (tiles * samples));
  const most = Math.ceil(tokens / (SLICES * LEAST_TOKENS));
  const chunkTokens = Math.ceil(tokens / Math.max(1, Math.min(wanted, most)));
  const chunks = Math.ceil(tokens / chunkTokens);
  const info = webgpu.make([samples, chunks, d]);
  webgpu.run(
    sumsShader,
    {},
    {
      reads: [x],
      writes: [info],
      sizes: [tokens, d, chunks, chunkTokens, tiles],
      groups: samples * chunks * tiles,
    },
  );
  return { info, samples, tokens, d, chunks };
}

const sumsShader: Shader<Record<never, never>> = {
  name: 'partialSums',
  build: () => ({
    reads: { x: 'f32' },
    writes: { sums: 'f32' },
    sizes: ['tokens', 'd', 'chunks', 'chunkTokens', 'tiles'],
    invocations: COLUMNS * SLICES,
    workgroupBytes: 4 * COLUMNS * SLICES,
    code: `
var<workgroup> parts: array<f32, ${COLUMNS * SLICES}>;
fn run(lid: u32, group: u32) {
  let column = (group % sizes.tiles) * ${COLUMNS}u + lid % ${COLUMNS}u;
  let chunk = group / sizes.tiles;
  let slice = lid / ${COLUMNS}u;
  let first = (chunk % sizes.chunks) * sizes.chunkTokens;
  let end = min(first + sizes.chunkTokens, sizes.tokens);
  var sum = 0f;
  if (column < sizes.d && (chunk / sizes.chunks) * sizes.tokens * sizes.d < arrayLength(&x)) {
    let sample = (chunk / sizes.chunks) * sizes.tokens;
    for (var token = first + slice; token < end; token += ${SLICES}u) {
      sum += x[(sample + token) * sizes.d + column];
    }
  }
  parts[lid] = sum;
  workgroupBarrier();
  if (slice > 0u || column >= sizes.d) { return; }
  for (var i = 1u; i < ${SLICES}u; i++) { sum += parts[lid + i * ${COLUMNS}u]; }
  let at = chunk * sizes.d + column;
  if (at < arrayLength(&sums)) { sums[at] = sum; }
}`,
  }),
};
