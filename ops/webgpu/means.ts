import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { WebgpuScope } from './scope.js';
import type { Shader } from './shader.js';
import { FINITE_WGSL, QUOTIENT_WGSL } from './wgsl.js';

/** Columns of a workgroup, and the slices of its tokens. */
const [COLUMNS, SLICES] = [32, 8];
/** Workgroups that keep a large GPU busy. */
const ENOUGH_GROUPS = 256;
/** Tokens that an invocation adds up, at least, where there are so many. */
const LEAST_TOKENS = 4;

/**
 * Sums over the tokens of each sample, in chunks: [samples, chunks, width]. With a mask a column
 * more, behind the channels, has how many tokens of the chunk count.
 */
export interface PartialSums {
  readonly info: TensorInfo;
  readonly width: number; // d, or with a mask d + 1
  readonly samples: number;
  readonly tokens: number;
  readonly d: number;
  readonly chunks: number;
}

/**
 * The first of two stages of a mean over tokens. x: [..., tokens, d]
 * @param mask [..., tokens]: tokens of 0 stay out, whatever they hold. Default: all count.
 */
export function partialSums(webgpu: WebgpuScope, x: TensorInfo, mask?: TensorInfo): PartialSums {
  const [tokens, d] = x.shape.slice(-2) as [number, number];
  const samples = util.sizeFromShape(x.shape) / (tokens * d);
  const tiles = Math.ceil(d / COLUMNS);
  const wanted = Math.ceil(ENOUGH_GROUPS / (tiles * samples));
  const most = Math.ceil(tokens / (SLICES * LEAST_TOKENS));
  const chunkTokens = Math.ceil(tokens / Math.max(1, Math.min(wanted, most)));
  const chunks = Math.ceil(tokens / chunkTokens);
  const masked = mask !== undefined;
  const width = masked ? d + 1 : d;
  const wide = Math.ceil(width / COLUMNS);
  const info = webgpu.make([samples, chunks, width]);
  webgpu.run(
    sumsShader,
    { masked },
    {
      reads: masked ? [x, mask] : [x],
      writes: [info],
      sizes: [tokens, d, chunks, chunkTokens, wide],
      groups: samples * chunks * wide,
    },
  );
  return { info, width, samples, tokens, d, chunks };
}

const sumsShader: Shader<{ masked: boolean }> = {
  name: 'partialSums',
  build: ({ masked }) => ({
    reads: { x: 'f32', ...(masked ? { mask: 'f32' as const } : {}) },
    writes: { sums: 'f32' },
    sizes: ['tokens', 'd', 'chunks', 'chunkTokens', 'tiles'],
    invocations: COLUMNS * SLICES,
    workgroupBytes: 4 * COLUMNS * SLICES,
    code: `${FINITE_WGSL}
var<workgroup> parts: array<f32, ${COLUMNS * SLICES}>;
fn run(lid: u32, group: u32) {
  let column = (group % sizes.tiles) * ${COLUMNS}u + lid % ${COLUMNS}u;
  let chunk = group / sizes.tiles;
  let slice = lid / ${COLUMNS}u;
  let first = (chunk % sizes.chunks) * sizes.chunkTokens;
  let end = min(first + sizes.chunkTokens, sizes.tokens);
  let width = sizes.d + ${masked ? 1 : 0}u;
  var sum = 0f;
  if (column < width && (chunk / sizes.chunks) * sizes.tokens * sizes.d < arrayLength(&x)) {
    let sample = (chunk / sizes.chunks) * sizes.tokens;
    ${masked ? MASKED_SUM : PLAIN_SUM}
  }
  parts[lid] = sum;
  workgroupBarrier();
  if (slice > 0u || column >= width) { return; }
  for (var i = 1u; i < ${SLICES}u; i++) { sum += parts[lid + i * ${COLUMNS}u]; }
  let at = chunk * width + column;
  if (at < arrayLength(&sums)) { sums[at] = sum; }
}`,
  }),
};

const MASKED_SUM = `
    for (var token = first + slice; token < end; token += ${SLICES}u) {
      if (magnitudeBits(mask[sample + token]) == 0u) { continue; }
      sum += select(x[(sample + token) * sizes.d + min(column, sizes.d - 1u)], 1f,
        column == sizes.d);
    }`;

/** Four loads on their way at a time; in the same order. */
const PLAIN_SUM = `
    for (var token = first + slice; token < end; token += ${4 * SLICES}u) {
      let places = min(vec4<u32>(token) + ${SLICES}u * vec4<u32>(0u, 1u, 2u, 3u),
        vec4<u32>(end - 1u));
      let at = (vec4<u32>(sample) + places) * sizes.d + column;
      let four = vec4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]);
      sum += four.x;
      sum += select(0f, four.y, token + ${SLICES}u < end);
      sum += select(0f, four.z, token + ${2 * SLICES}u < end);
      sum += select(0f, four.w, token + ${3 * SLICES}u < end);
    }`;

/**
 * WGSL, the second stage: `fn meanOf(sample: u32, column: u32) -> f32` of a buffer `sums` by
 * `sizes.tokens`, `d` and `chunks`; 0 where no token counts. Exact quotients, so that a mask that
 * counts all tokens changes no bit.
 */
export function meanWgsl(masked: boolean): string {
  return `${FINITE_WGSL}${QUOTIENT_WGSL}
fn sumOf(sample: u32, column: u32) -> f32 {
  let width = sizes.d + ${masked ? 1 : 0}u;
  let first = sample * sizes.chunks * width + column;
  var sum = 0f;
  // four loads on their way at a time; added up one after the other all the same
  for (var chunk = 0u; chunk < sizes.chunks; chunk += 4u) {
    let at = first + chunk * width;
    let more = min(vec3<u32>(1u, 2u, 3u), vec3<u32>(sizes.chunks - 1u - chunk));
    let four = vec4<f32>(sums[at], sums[at + more.x * width], sums[at + more.y * width],
      sums[at + more.z * width]);
    sum += four.x;
    sum += select(0f, four.y, more.x == 1u);
    sum += select(0f, four.z, more.y == 2u);
    sum += select(0f, four.w, more.z == 3u);
  }
  return sum;
}
fn meanOf(sample: u32, column: u32) -> f32 {
  let count = ${masked ? 'max(sumOf(sample, sizes.d), 1f)' : 'f32(sizes.tokens)'};
  return quotient(sumOf(sample, column), count);
}`;
}
