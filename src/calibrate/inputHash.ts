import type { Tensor } from '@tensorflow/tfjs-core';
import { valuesOf } from '../../ops/common/alive.js';

/**
 * Names the samples of a batch by what the model was given, the same on every backend: numbers that
 * are low by no merit of the samples.
 */
export class InputHashes {
  /** Of each sample of the batch. */
  private readonly own: readonly number[];
  /** Of all of it, for tensors that are no samples of the batch. */
  private readonly whole: number;

  /** @param inputs What the model was given, in an order that does not depend on the caller. */
  constructor(inputs: readonly Tensor[]) {
    const lengths = inputs.flatMap(({ shape }) => shape.slice(0, 1)).filter((n) => n > 0);
    // an input that all samples share has another length, or 1
    const samples = Math.max(1, ...lengths);
    const bits = inputs.map((tensor) => ({
      isSplit: tensor.shape[0] === samples,
      of: bitsOf(tensor),
    }));
    this.own = Array.from({ length: samples }, (_, sample) => {
      return bits.reduce((hash, { isSplit, of }) => {
        const size = isSplit ? of.length / samples : of.length;
        return hashed(hash, isSplit ? of.subarray(sample * size, (sample + 1) * size) : of);
      }, START);
    });
    this.whole = hashed(START, Int32Array.from(this.own));
  }

  /** The hash of one of so many samples that a tensor of the model has. */
  of(sample: number, samples: number): number {
    const each = samples / this.own.length;
    if (!Number.isInteger(each)) return mixed(hashed(this.whole, Int32Array.of(sample)));
    const from = this.own[Math.floor(sample / each)]!;
    // several of one sample of the batch: guided and unguided, or one for each head
    return mixed(each === 1 ? from : hashed(from, Int32Array.of(sample % each)));
  }
}

/** FNV-1a's, of which this is the 32 bit version on words. */
const START = 0x811c9dc5;

function hashed(start: number, words: Int32Array): number {
  let hash = start;
  for (const word of words) hash = Math.imul(hash ^ word, 0x01000193);
  return hash;
}

function mixed(start: number): number {
  let hash = Math.imul(start ^ (start >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A tensor's values as words of which as many belong to each sample. */
function bitsOf(tensor: Tensor): Int32Array {
  const values = valuesOf<'float32' | 'int32' | 'bool' | 'string'>('calibrate', tensor);
  if (values instanceof Float32Array) {
    // a subarray may start at any byte
    return new Int32Array(values.slice().buffer);
  }
  if (values instanceof Int32Array || values instanceof Uint8Array) return Int32Array.from(values);
  return Int32Array.from(Array.from(values as ArrayLike<unknown>, (text) => textHash(`${text}`)));
}

function textHash(text: string): number {
  return hashed(
    START,
    Int32Array.from(text, (letter) => letter.codePointAt(0)!),
  );
}
