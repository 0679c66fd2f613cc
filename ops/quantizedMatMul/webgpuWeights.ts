import type { TensorInfo } from '@tensorflow/tfjs-core';
import { dataNumber } from '../common/dataNumber.js';
import type { GroupedFormat } from '../numerics/formats.js';
import { planesOf } from '../numerics/packing.js';
import { attach, findAttached } from '../webgpu/attached.js';
import { bytesOfShape, type WebgpuBackend } from '../webgpu/backend.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import type { Shader } from '../webgpu/shader.js';
import { channelsPerWord, type Steps } from './webgpuSteps.js';

/**
 * Weights in the order in which products load them, in one buffer of words, [rows, paddedN] each:
 *
 * - codes: at 4 bits and fewer 8 channels a word, channels 0 … 3 in the low halves of its bytes and
 *   4 … 7 in the high ones, signed; so one shift and a mask give words of 16 times the codes.
 *   Above, 4 channels a word, a signed byte each. Channels beyond d are 0;
 * - scales, float32, a row for each group;
 * - sums of the codes (16 times, at 4 bits and fewer) of a step, or of all where there is one
 *   group, int32: what activations' zero points are multiplied by.
 */
export interface PackedWeightWords {
  readonly info: TensorInfo; // int32 [words]
  readonly paddedN: number;
  readonly scaleAt: number; // row of the first scales
  readonly sumAt: number; // row of the first sums
}

/** What the codes in those words are times the codes. */
export function codeFactor(format: GroupedFormat): 1 | 16 {
  return channelsPerWord(format) === 8 ? 16 : 1;
}

/** Where the parts lie. */
export function weightRows(
  n: number,
  d: number,
  format: GroupedFormat,
  steps: Steps,
): Omit<PackedWeightWords, 'info'> & { readonly rows: number } {
  const scaleAt = (steps.count * steps.words * 4) / channelsPerWord(format);
  const sumAt = scaleAt + Math.ceil(d / format.granularity.groupSize);
  const rows = sumAt + (steps.whole ? 1 : steps.count);
  return { paddedN: 4 * Math.ceil(n / 4), scaleAt, sumAt, rows };
}

/**
 * Packed once, at the first use, and disposed of together with the codes. The codes as files have
 * them stay on the host, whence they can be saved; on the GPU there are these alone.
 */
export function weightWords(
  webgpu: WebgpuScope,
  codes: TensorInfo,
  scale: TensorInfo,
  [d, n]: readonly [number, number],
  format: GroupedFormat,
  steps: Steps,
): PackedWeightWords {
  const { backend } = webgpu;
  const { rows, ...place } = weightRows(n, d, format, steps);
  const cut = [steps.words, steps.whole, format.granularity.groupSize, dataNumber(scale)];
  const key = ['weights', d, n, format.bits, ...cut].join();
  const known = findAttached(backend, codes, key);
  if (known !== undefined) return { info: known, ...place };
  const info = webgpu.make([rows, place.paddedN], 'int32');
  const bytes = uploaded(backend, codes);
  const floats = uploaded(backend, scale);
  webgpu.run(
    weightsShader,
    { bits: format.bits, words: steps.words, whole: steps.whole, wide: bytes.wide },
    {
      reads: [bytes.source, floats.source],
      writes: [info],
      sizes: [
        ...[d, n, place.paddedN, place.scaleAt, place.sumAt, rows],
        ...[steps.count, Math.ceil(d / 4)],
      ],
      groups: Math.ceil((rows * place.paddedN) / INVOCATIONS),
    },
  );
  release(backend, [bytes, floats]);
  attach(backend, codes, key, webgpu.keep(info));
  return { info, ...place };
}

interface Uploaded {
  readonly source: TensorInfo | GPUBuffer;
  readonly own: GPUBuffer | null; // made for this alone
  readonly wide: boolean; // an element of the tensor takes a word
}

/** Values that are on the host go up for this once, and as they are: bytes four to a word. */
function uploaded(backend: WebgpuBackend, info: TensorInfo): Uploaded {
  const { values, resource } = backend.tensorMap.get(info.dataId);
  if (resource != null || !ArrayBuffer.isView(values)) {
    return { source: info, own: null, wide: true };
  }
  const size = 4 * Math.ceil(values.byteLength / 4);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const own = backend.device.createBuffer({ size, usage });
  const bytes = new Uint8Array(size);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  backend.queue.writeBuffer(own, 0, bytes);
  const wide = values.byteLength === bytesOfShape(info.shape);
  return { source: own, own, wide };
}

/** Destroys what was made for one run, once that is submitted. */
function release(backend: WebgpuBackend, all: readonly Uploaded[]): void {
  if (all.every(({ own }) => own === null)) return;
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
  for (const { own } of all) own?.destroy();
}

const INVOCATIONS = 64;

interface WeightsSpec {
  readonly [field: string]: number | boolean;
  readonly bits: number;
  readonly words: number;
  readonly whole: boolean;
  readonly wide: boolean;
}

/** An invocation makes a word: of codes, a scale, or a sum. The layout of files: packing.ts. */
const weightsShader: Shader<WeightsSpec> = {
  name: 'packWeights',
  build: ({ bits, words, whole, wide }) => {
    const channels = bits <= 4 ? 8 : 4;
    const factor = bits <= 4 ? 16 : 1;
    return {
      reads: { bytes: 'u32', scales: 'f32' },
      writes: { out: 'u32' },
      sizes: ['d', 'n', 'paddedN', 'scaleAt', 'sumAt', 'rows', 'steps', 'blocks'],
      invocations: INVOCATIONS,
      workgroupBytes: 0,
      code: `
fn byteAt(at: u32) -> u32 {
  return ${wide ? 'bytes[at] & 0xffu' : '(bytes[at / 4u] >> (8u * (at % 4u))) & 0xffu'};
}
fn codeAt(k: u32, column: u32) -> i32 {
  if (k >= sizes.d || column >= sizes.n) { return 0; }
  let number = 4u * (column % 8u) + k % 4u;
  var start = ((column / 8u) * sizes.blocks + k / 4u) * ${4 * bits}u;
  var code = 0u;
  ${planesWgsl(bits)}
  return i32(code) - ${2 ** (bits - 1)};
}
fn run(lid: u32, group: u32) {
  let at = group * ${INVOCATIONS}u + lid;
  let row = at / sizes.paddedN;
  let column = at % sizes.paddedN;
  if (row >= sizes.rows) { return; }
  var word = 0u;
  if (row < sizes.scaleAt) {
    for (var i = 0u; i < ${channels}u; i++) {
      let code = bitcast<u32>(codeAt(row * ${channels}u + i, column));
      ${
        channels === 8
          ? 'word |= (code & 0xfu) << (8u * (i % 4u) + 4u * (i / 4u));'
          : 'word |= (code & 0xffu) << (8u * i);'
      }
    }
  } else if (row < sizes.sumAt) {
    if (column < sizes.n) {
      word = bitcast<u32>(scales[(row - sizes.scaleAt) * sizes.n + column]);
    }
  } else {
    let first = (row - sizes.sumAt) * ${4 * words}u;
    let end = ${whole ? 'sizes.d' : `first + ${4 * words}u`};
    var sum = 0;
    for (var k = first; k < end; k++) { sum += codeAt(k, column); }
    word = bitcast<u32>(${factor} * sum);
  }
  out[at] = word;
}`,
    };
  },
};

/** Adds the bits of each plane of a block. */
function planesWgsl(bits: number): string {
  let shift = 0;
  return planesOf(bits)
    .map((width) => {
      const length = 4 * width;
      const lines = `
  {
    let byte = byteAt(start + number % ${length}u);
    code |= ((byte >> (${width}u * (number / ${length}u))) & ${2 ** width - 1}u) << ${shift}u;
    start += ${length}u;
  }`;
      shift += width;
      return lines;
    })
    .join('');
}
