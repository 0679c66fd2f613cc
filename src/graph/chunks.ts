import type { io } from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';

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

  /** @throws InvalidArgumentError for what is no data; `op` is who is named. */
  constructor(data: io.WeightData | readonly Chunk[] | undefined, op = 'graph') {
    const list = (
      data === undefined || data === null ? [] : Array.isArray(data) ? data : [data]
    ) as Chunk[];
    let start = 0;
    this.parts = list.map((chunk) => {
      const bytes = bytesOf(chunk, op);
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

function bytesOf(chunk: Chunk, op: string): Uint8Array {
  if (ArrayBuffer.isView(chunk)) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
  // by name, for another realm's buffers are such too
  const name = Object.prototype.toString.call(chunk);
  if (name === '[object ArrayBuffer]' || name === '[object SharedArrayBuffer]') {
    return new Uint8Array(chunk);
  }
  const wanted = 'an ArrayBuffer, or an array of them';
  throw new InvalidArgumentError(op, 'weightData', wanted, describe(chunk));
}
