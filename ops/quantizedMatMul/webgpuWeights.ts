import type { TensorInfo } from '@tensorflow/tfjs-core';
import { dataNumber } from '../common/dataNumber.js';
import type { GroupedFormat } from '../numerics/formats.js';
import { attach, findAttached } from '../webgpu/attached.js';
import { bytesOfShape, type WebgpuBackend } from '../webgpu/backend.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import { channelsPerWord, type Steps } from './webgpuSteps.js';
import { WEIGHTS_INVOCATIONS, weightsShader } from './webgpuWeightsShader.js';

/**
 * Weights in the order in which products load them, in one buffer of words, [rows, paddedN] each:
 *
 * - codes: at 4 bits and fewer 8 channels a word, channels 0 … 3 in the low halves of its bytes and
 *   4 … 7 in the high ones, signed; so one shift and a mask give words of 16 times the codes.
 *   Above, 4 channels a word, a signed byte each. Channels beyond d are 0;
 * - scales, float32, a row for each group;
 * - sums of the codes (16 times, at 4 bits and fewer) of a step, or of all where there is one
 *   group, int32: what activations' zero points are multiplied by;
 * - weights of directions, float32, a row for each: with their scales, and fine rows in them.
 */
export interface PackedWeightWords {
  readonly info: TensorInfo; // int32 [words]
  readonly paddedN: number;
  readonly scaleAt: number; // row of the first scales
  readonly sumAt: number; // row of the first sums
  readonly directionAt: number; // row of the first direction's weights
}

/** What is packed. */
export interface GivenWeights {
  readonly codes: TensorInfo;
  readonly scale: TensorInfo;
  readonly directions: GivenDirections | null;
}

/** Weights of directions: `QuantizedMatMulInputs`. */
export interface GivenDirections {
  readonly rank: number;
  readonly rows: TensorInfo; // [k, n]
  readonly scale: TensorInfo | undefined; // [k]
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
  rank: number,
): Omit<PackedWeightWords, 'info'> & { readonly rows: number } {
  const scaleAt = (steps.count * steps.words * 4) / channelsPerWord(format);
  const sumAt = scaleAt + Math.ceil(d / format.granularity.groupSize);
  const directionAt = sumAt + (steps.whole ? 1 : steps.count);
  const paddedN = 4 * Math.ceil(n / 4);
  return { paddedN, scaleAt, sumAt, directionAt, rows: directionAt + rank };
}

/**
 * Packed once, at the first use, and disposed of together with the codes. The codes as files have
 * them stay on the host, whence they can be saved; on the GPU there are these alone.
 */
export function weightWords(
  webgpu: WebgpuScope,
  { codes, scale, directions }: GivenWeights,
  [d, n]: readonly [number, number],
  format: GroupedFormat,
  steps: Steps,
): PackedWeightWords {
  const { backend } = webgpu;
  const rank = directions?.rank ?? 0;
  const { rows, ...place } = weightRows(n, d, format, steps, rank);
  const others = [scale, directions?.rows, directions?.scale].filter((one) => one !== undefined);
  const cut = [steps.words, steps.whole, format.granularity.groupSize, ...others.map(dataNumber)];
  const key = ['weights', d, n, format.bits, rank, ...cut].join();
  const known = findAttached(backend, codes, key);
  if (known !== undefined) return { info: known, ...place };
  const info = webgpu.make([rows, place.paddedN], 'int32');
  const given = [codes, ...others].map((one) => uploaded(backend, one));
  webgpu.run(
    weightsShader,
    {
      ...{ bits: format.bits, words: steps.words, whole: steps.whole, wide: given[0]!.wide },
      ...{ directions: directions !== null, scaled: directions?.scale !== undefined },
    },
    {
      reads: given.map(({ source }) => source),
      writes: [info],
      sizes: [
        ...[d, n, place.paddedN, place.scaleAt, place.sumAt, place.directionAt, rows],
        ...[steps.count, Math.ceil(d / 4), rank, directions?.rows.shape[0] ?? 0],
      ],
      groups: Math.ceil((rows * place.paddedN) / WEIGHTS_INVOCATIONS),
    },
  );
  release(backend, given);
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
