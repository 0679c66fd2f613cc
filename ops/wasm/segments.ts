import { STEP } from './records.js';

/**
 * A run of the reduction with one scale for weights and activations, small enough for the tiles'
 * scratch memory.
 */
export interface Segment {
  readonly start: number;
  readonly length: number;
  readonly weightGroup: number;
  readonly activationGroup: number;
}

/** The reduction in segments, and which of them are unpacked together. */
export interface Segments {
  readonly segments: readonly Segment[];
  /** First segment of each chunk, and the number of segments. */
  readonly chunks: readonly number[];
  /** The longest chunk, rounded up to a multiple of 4. */
  readonly chunkRows: number;
  /** What segments were cut to. */
  readonly longest: number;
}

/**
 * Rows of weights in the scratch memory of a panel: 18 KiB of L1 as 16-bit values; DiT-XL's width
 * in one piece.
 */
export const CHUNK_ROWS = 1152;

/**
 * Cuts a reduction of length k where a group of weights or of activations ends, into segments of at
 * most `longest`, a multiple of 4. Null where a group ends within four neighbours: the integer
 * kernels take four at a time.
 */
export function segmentsOf(
  k: number,
  weightGroupSize: number,
  activationGroupSize: number,
  longest = CHUNK_ROWS,
): Segments | null {
  const aligned = (size: number) => size >= k || size % STEP === 0;
  if (!aligned(weightGroupSize) || !aligned(activationGroupSize)) return null;
  const segments: Segment[] = [];
  const chunks = [0];
  let chunkStart = 0;
  let chunkRows = 0;
  for (let start = 0; start < k; ) {
    const weightGroup = Math.floor(start / weightGroupSize);
    const activationGroup = Math.floor(start / activationGroupSize);
    const ends = [(weightGroup + 1) * weightGroupSize, (activationGroup + 1) * activationGroupSize];
    const end = Math.min(k, start + longest, ...ends);
    if (end - chunkStart > CHUNK_ROWS) {
      chunks.push(segments.length);
      chunkStart = start;
    }
    segments.push({ start, length: end - start, weightGroup, activationGroup });
    chunkRows = Math.max(chunkRows, end - chunkStart);
    start = end;
  }
  chunks.push(segments.length);
  return { segments, chunks, chunkRows: Math.ceil(chunkRows / STEP) * STEP, longest };
}
