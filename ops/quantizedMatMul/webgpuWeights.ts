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
 * - sums of the codes (16 times, at 4 bits and fewer), what activations' zero points are multiplied
 *   by: of a step, or of all where there is one group, int32; of all times their scales, float32;
 * - weights of directions, float32, a row for each: with their scales, and fine rows in them;
 * - the bias, float32, and a basis of the means, as weights of directions.
 */
export interface PackedWeightWords {
  readonly info: TensorInfo; // int32 [words]
  readonly paddedN: number;
  readonly scaleAt: number; // row of the first scales
  readonly sumAt: number; // row of the first sums
  readonly directionAt: number; // row of the first direction's weights
  readonly biasAt: number; // row of the bias, behind it those of the basis
}

/** What is packed. */
export interface GivenWeights {
  readonly codes: TensorInfo;
  readonly scale: TensorInfo;
  readonly directions: GivenDirections | null;
  readonly bias: TensorInfo | undefined; // [n]
  readonly basis: GivenDirections | null;
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
  { directions, bias, basis }: Omit<GivenWeights, 'codes' | 'scale'>,
): Omit<PackedWeightWords, 'info'> & { readonly rows: number } {
  const scaleAt = (steps.count * steps.words * 4) / channelsPerWord(format);
  const sumAt = scaleAt + Math.ceil(d / format.granularity.groupSize);
  const directionAt = sumAt + (steps.sums === 'steps' ? steps.count : 1);
  const paddedN = 4 * Math.ceil(n / 4);
  const biasAt = directionAt + (directions?.rank ?? 0);
  const rows = biasAt + (bias === undefined ? 0 : 1) + (basis?.rank ?? 0);
  return { paddedN, scaleAt, sumAt, directionAt, biasAt, rows };
}

/**
 * Packed once, at the first use, and disposed of together with the codes. The codes as files have
 * them stay on the host, whence they can be saved; on the GPU there are these alone.
 */
export function weightWords(
  webgpu: WebgpuScope,
  given: GivenWeights,
  [d, n]: readonly [number, number],
  format: GroupedFormat,
  steps: Steps,
): PackedWeightWords {
  const { codes, scale, directions, bias, basis } = given;
  const { backend } = webgpu;
  const [rank, basisRank] = [directions?.rank ?? 0, basis?.rank ?? 0];
  const { rows, ...place } = weightRows(n, d, format, steps, given);
  const parts = [directions?.rows, directions?.scale, bias, basis?.rows, basis?.scale];
  const others = [scale, ...parts].filter((one) => one !== undefined);
  const cut = [steps.words, steps.sums, format.granularity.groupSize, ...others.map(dataNumber)];
  const key = ['weights', d, n, format.bits, rank, basisRank, ...cut].join();
  const known = findAttached(backend, codes, key);
  if (known !== undefined) return { info: known, ...place };
  const info = webgpu.make([rows, place.paddedN], 'int32');
  const sources = [codes, ...others].map((one) => uploaded(backend, one));
  webgpu.run(
    weightsShader,
    {
      ...{ bits: format.bits, words: steps.words, sums: steps.sums, wide: sources[0]!.wide },
      ...{ directions: directions !== null, scaled: directions?.scale !== undefined },
      ...{ bias: bias !== undefined, basis: basis !== null },
      basisScaled: basis?.scale !== undefined,
    },
    {
      reads: sources.map(({ source }) => source),
      writes: [info],
      sizes: [
        ...[d, n, place.paddedN, place.scaleAt, place.sumAt, place.directionAt, rows],
        ...[steps.count, Math.ceil(d / 4), rank, directions?.rows.shape[0] ?? 0],
        ...[place.biasAt, basisRank, basis?.rows.shape[0] ?? 0, format.granularity.groupSize],
      ],
      groups: Math.ceil((rows * place.paddedN) / WEIGHTS_INVOCATIONS),
    },
  );
  release(backend, sources);
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
