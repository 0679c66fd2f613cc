import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { WebgpuScope } from './scope.js';
import type { Shader } from './shader.js';
import { FINITE_WGSL, QUOTIENT_WGSL } from './wgsl.js';

/** Columns of a workgroup, and the slices of its tokens. */
const [COLUMNS, SLICES] = [32, 8];
/** Workgroups that keep a large GPU busy. */
const ENOUGH_GROUPS = 384;
/** Chunks at most: the second stage adds them up one after the other. */
const MOST_CHUNKS = 16;
/** Tokens that an invocation has on their way at a time. */
const ON_THEIR_WAY = 8;
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
  const wanted = Math.min(MOST_CHUNKS, Math.ceil(ENOUGH_GROUPS / (tiles * samples)));
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

/** All loads of a round on their way at a time; in the order of the tokens. */
const PLAIN_SUM = plainSumWgsl();

function plainSumWgsl(): string {
  const each = (text: (i: number) => string) =>
    Array.from({ length: ON_THEIR_WAY }, (_, i) => text(i * SLICES)).join('\n      ');
  return `
    for (var token = first + slice; token < end; token += ${ON_THEIR_WAY * SLICES}u) {
      ${each((i) => `let x${i} = x[(sample + min(token + ${i}u, end - 1u)) * sizes.d + column];`)}
      ${each((i) => `sum += select(0f, x${i}, token + ${i}u < end);`)}
    }`;
}

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
fn countOf(sample: u32) -> f32 {
  return ${masked ? 'max(sumOf(sample, sizes.d), 1f)' : 'f32(sizes.tokens)'};
}
fn meanOf(sample: u32, column: u32) -> f32 {
  return quotient(sumOf(sample, column), countOf(sample));
}`;
}

/**
 * WGSL behind `meanWgsl`: `fn meansOf(sample: u32, columns: vec4<u32>) -> vec4<f32>`, the same
 * numbers, sixteen loads on their way at a time.
 */
export function meansWgsl(masked: boolean): string {
  const four = (at: string) => `vec4<f32>(${['x', 'y', 'z', 'w'].map((i) => `sums[${at}.${i}]`)})`;
  return `
fn meansOf(sample: u32, columns: vec4<u32>) -> vec4<f32> {
  let width = sizes.d + ${masked ? 1 : 0}u;
  let first = vec4<u32>(sample * sizes.chunks * width) + columns;
  var sum = vec4<f32>(0f);
  for (var chunk = 0u; chunk < sizes.chunks; chunk += 4u) {
    let at0 = first + chunk * width;
    let more = min(vec3<u32>(1u, 2u, 3u), vec3<u32>(sizes.chunks - 1u - chunk));
    let at1 = at0 + more.x * width;
    let at2 = at0 + more.y * width;
    let at3 = at0 + more.z * width;
    let own = ${four('at0')};
    let next1 = ${four('at1')};
    let next2 = ${four('at2')};
    let next3 = ${four('at3')};
    sum += own;
    sum += select(vec4<f32>(0f), next1, vec4<bool>(more.x == 1u));
    sum += select(vec4<f32>(0f), next2, vec4<bool>(more.y == 2u));
    sum += select(vec4<f32>(0f), next3, vec4<bool>(more.z == 3u));
  }
  let count = countOf(sample);
  return vec4<f32>(quotient(sum.x, count), quotient(sum.y, count), quotient(sum.z, count),
    quotient(sum.w, count));
}`;
}
