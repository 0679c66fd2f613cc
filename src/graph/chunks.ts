import type { io } from '@tensorflow/tfjs-core';

/** A piece of a model's data: a buffer, or part of one, as streams and Node hand them out. */
export type Chunk = ArrayBuffer | ArrayBufferView;

/**
 * A model's data in any number of pieces of any length.
 *
 * In place of tfjs's `CompositeArrayBuffer`, which takes the pieces' offsets for multiples of the
 * first one's length: it finds zeros where the last piece is longer than the others, or the first
 * one is empty.
 */
export class Chunks {
  readonly byteLength: number;
  private readonly parts: readonly { readonly start: number; readonly bytes: Uint8Array }[];

  constructor(data: io.WeightData | readonly Chunk[] | undefined) {
    const list = (data === undefined ? [] : Array.isArray(data) ? data : [data]) as Chunk[];
    let start = 0;
    this.parts = list.map((chunk) => {
      const bytes = bytesOf(chunk);
      const part = { start, bytes };
      start += bytes.byteLength;
      return part;
    });
    this.byteLength = start;
  }

  /** A copy of the bytes from `start` to `end`, both within the data. */
  slice(start: number, end: number): ArrayBuffer {
    const out = new Uint8Array(end - start);
    for (let i = this.indexOf(start), at = start; at < end; i++) {
      const { start: from, bytes } = this.parts[i]!;
      const piece = bytes.subarray(at - from, Math.min(end - from, bytes.byteLength));
      out.set(piece, at - start);
      at += piece.byteLength;
    }
    return out.buffer;
  }

  /** The last piece that starts at `offset` or before. */
  private indexOf(offset: number): number {
    let low = 0;
    let high = this.parts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.parts[middle]!.start <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** Buffers one after the other. */
export function joined(buffers: readonly ArrayBuffer[]): ArrayBuffer {
  const chunks = new Chunks(buffers);
  return chunks.slice(0, chunks.byteLength);
}

function bytesOf(chunk: Chunk): Uint8Array {
  return ArrayBuffer.isView(chunk)
    ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    : new Uint8Array(chunk);
}
