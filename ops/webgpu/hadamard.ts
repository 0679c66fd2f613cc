import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import {
  factorsOf,
  MOST_SPELLED,
  mixWgsl,
  PLACE_WGSL,
  paddedLength,
  type Stage,
  scalesOf,
  stagesOf,
  stagesWgsl,
  startWgsl,
} from './hadamardStages.js';
import { residentBuffer } from './resident.js';
import type { WebgpuScope } from './scope.js';
import type { Shader } from './shader.js';
import { wgslFloat } from './wgsl.js';

/**
 * Every block of `blockSize` neighbours of x times H or Hᵀ: what workgroup memory holds in one
 * program, its stages one after the other there; the factors with the largest strides, where the
 * block is larger, and those that are too large to be spelled out in a pass over memory each.
 * @param to What is written. Default a new tensor of the shape of x.
 */
export function transformed(
  webgpu: WebgpuScope,
  x: TensorInfo,
  blockSize: number,
  transpose: boolean,
  to?: TensorInfo,
): TensorInfo {
  if (blockSize <= 1) return to === undefined ? x : copied(webgpu, x, to);
  const stages = stagesOf(factorsOf(blockSize), transpose);
  const held = heldStages(stages, webgpu.limits.maxComputeWorkgroupStorageSize);
  const passes = stages.length - held;
  let last = x;
  for (let pass = 0; pass < passes; pass++) {
    const isLast = pass === stages.length - 1;
    const out = isLast && to !== undefined ? to : webgpu.make(x.shape);
    runPass(webgpu, last, out, stages[pass]!, { blockSize, transpose, pass, isLast });
    last = out;
  }
  if (held === 0) return last;
  const out = to ?? webgpu.make(x.shape);
  runHeld(webgpu, last, out, { blockSize, transpose, passes });
  return out;
}

/** How many of the last stages a workgroup can hold the numbers of. */
function heldStages(stages: readonly Stage[], bytes: number): number {
  let length = 1;
  let count = 0;
  for (const { order } of stages.toReversed()) {
    length *= order;
    if (order > MOST_SPELLED || 4 * paddedLength(length) > bytes) break;
    count++;
  }
  return count;
}

interface Held {
  readonly blockSize: number;
  readonly transpose: boolean;
  readonly passes: number; // stages that were done before
}

/** Numbers of a workgroup, where blocks are shorter. */
const LENGTH = 4608;
const INVOCATIONS = 256;

function runHeld(webgpu: WebgpuScope, x: TensorInfo, out: TensorInfo, held: Held): void {
  const stages = stagesOf(factorsOf(held.blockSize), held.transpose).slice(held.passes);
  const block = stages.reduce((size, { order }) => size * order, 1);
  const most = webgpu.limits.maxComputeWorkgroupStorageSize / 4;
  const size = util.sizeFromShape(x.shape);
  const wanted = Math.max(1, Math.floor(LENGTH / block));
  const fitting = Math.max(1, Math.floor(((most - 1) * 32) / 33 / block));
  const blocks = Math.min(wanted, fitting, size / block);
  webgpu.run(
    heldShader,
    { ...held, blocks },
    {
      reads: [x],
      writes: [out],
      sizes: [size],
      groups: Math.ceil(size / (blocks * block)),
    },
  );
}

interface HeldSpec extends Held {
  readonly [field: string]: number | boolean;
  readonly blocks: number; // of a workgroup
}

const heldShader: Shader<HeldSpec> = {
  name: 'HadamardTransform',
  build: ({ blockSize, transpose, passes, blocks }) => {
    const stages = stagesOf(factorsOf(blockSize), transpose).slice(passes);
    const length = stages.reduce((size, { order }) => size * order, blocks);
    const { before, after } = scalesOf(blockSize);
    const times = passes === 0 ? ` * ${wgslFloat(before)}` : '';
    return {
      reads: { x: 'f32' },
      writes: { y: 'f32' },
      sizes: ['size'],
      invocations: INVOCATIONS,
      workgroupBytes: 4 * paddedLength(length),
      code: `${PLACE_WGSL}
var<workgroup> line: array<f32, ${paddedLength(length)}>;
fn run(lid: u32, group: u32) {
  let start = group * ${length}u;
  for (var i = lid; i < ${length}u; i += ${INVOCATIONS}u) {
    line[place(i)] = select(0f, x[min(start + i, sizes.size - 1u)], start + i < sizes.size)${times};
  }
  workgroupBarrier();
  ${stagesWgsl(stages, length, INVOCATIONS, after)}
  for (var i = lid; i < ${length}u; i += ${INVOCATIONS}u) {
    if (start + i < sizes.size) { y[start + i] = line[place(i)]; }
  }
}`,
    };
  },
};

interface Pass {
  readonly blockSize: number;
  readonly transpose: boolean;
  readonly pass: number;
  readonly isLast: boolean;
}

function runPass(
  webgpu: WebgpuScope,
  x: TensorInfo,
  out: TensorInfo,
  { order, mixes }: Stage,
  pass: Pass,
): void {
  const size = util.sizeFromShape(x.shape);
  const spelled = order <= MOST_SPELLED;
  const key = `hadamard ${order} ${pass.transpose}`;
  const table = () => signWords(mixes[0]!.signs!, order);
  const count = spelled ? size / order : size;
  webgpu.run(
    passShader,
    { ...pass },
    {
      reads: spelled ? [x] : [x, residentBuffer(webgpu.backend, key, table)],
      writes: [out],
      sizes: [count],
      groups: Math.ceil(count / PASS_INVOCATIONS),
    },
  );
}

const PASS_INVOCATIONS = 64;

/** Bit i % 32 of word j · ⌈order / 32⌉ + ⌊i / 32⌋ is set where output j has −(input i). */
function signWords(signs: Int8Array, order: number): Uint32Array<ArrayBuffer> {
  const perOutput = Math.ceil(order / 32);
  const words = new Uint32Array(order * perOutput);
  signs.forEach((sign, at) => {
    if (sign > 0) return;
    const [j, i] = [Math.floor(at / order), at % order];
    const word = j * perOutput + (i >> 5);
    words[word] = (words[word]! | (1 << (i & 31))) >>> 0;
  });
  return words;
}

const passShader: Shader<Pass & { readonly [field: string]: number | boolean }> = {
  name: 'HadamardPass',
  build: ({ blockSize, transpose, pass, isLast }) => {
    const stage = stagesOf(factorsOf(blockSize), transpose)[pass]!;
    const { before, after } = scalesOf(blockSize);
    const spelled = stage.order <= MOST_SPELLED;
    const factors = { before: pass === 0 ? before : 1, after: isLast ? after : 1 };
    return {
      reads: { x: 'f32', ...(spelled ? {} : { signs: 'u32' as const }) },
      writes: { y: 'f32' },
      sizes: ['count'],
      invocations: PASS_INVOCATIONS,
      workgroupBytes: 0,
      code: spelled ? spelledWgsl(stage, factors) : tableWgsl(stage, factors),
    };
  },
};

interface Factors {
  readonly before: number;
  readonly after: number;
}

/** An invocation mixes all numbers of the factor. */
function spelledWgsl(stage: Stage, { before, after }: Factors): string {
  const { order, stride } = stage;
  const each = (text: (i: number) => string) =>
    Array.from({ length: order }, (_, i) => text(i)).join(' ');
  return `
fn run(lid: u32, group: u32) {
  let fiber = group * ${PASS_INVOCATIONS}u + lid;
  if (fiber >= sizes.count) { return; }
  let first = ${startWgsl(stage)};
  ${each((i) => `let v${i} = x[first + ${i * stride}u] * ${wgslFloat(before)};`)}
  ${mixWgsl(stage, after)}
  ${each((i) => `y[first + ${i * stride}u] = y${i};`)}
}`;
}

/** An invocation gives one number, signs by the table. */
function tableWgsl({ order, stride }: Stage, { before, after }: Factors): string {
  return `
fn run(lid: u32, group: u32) {
  let at = group * ${PASS_INVOCATIONS}u + lid;
  if (at >= sizes.count) { return; }
  let j = (at / ${stride}u) % ${order}u;
  let first = at - j * ${stride}u;
  var sum = 0f;
  for (var i = 0u; i < ${order}u; i++) {
    let minus = (signs[j * ${Math.ceil(order / 32)}u + (i >> 5u)] >> (i & 31u)) & 1u;
    let v = x[first + i * ${stride}u] * ${wgslFloat(before)};
    sum += select(v, -v, minus == 1u);
  }
  y[at] = sum * ${wgslFloat(after)};
}`;
}

/** The same numbers in another tensor. */
export function copied(webgpu: WebgpuScope, x: TensorInfo, to: TensorInfo): TensorInfo {
  const size = util.sizeFromShape(x.shape);
  webgpu.run(
    copyShader,
    {},
    {
      reads: [x],
      writes: [to],
      sizes: [size],
      groups: Math.ceil(size / PASS_INVOCATIONS),
    },
  );
  return to;
}

const copyShader: Shader<Record<never, never>> = {
  name: 'copy',
  build: () => ({
    reads: { x: 'f32' },
    writes: { y: 'f32' },
    sizes: ['size'],
    invocations: PASS_INVOCATIONS,
    workgroupBytes: 0,
    code: `
fn run(lid: u32, group: u32) {
  let at = group * ${PASS_INVOCATIONS}u + lid;
  if (at < sizes.size) { y[at] = x[at]; }
}`,
  }),
};
