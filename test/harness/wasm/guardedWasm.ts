import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { WasmBackend } from '../../../ops/wasm/instance/backend.js';
import type { RelaxedDot } from '../../../ops/wasm/instance/relaxedDot.js';
import { type RunOptions, WasmModule, wasmModule } from '../../../ops/wasm/module.js';
import { ownMemory, partOf, type Watched } from './watchedMemory.js';

/**
 * Between any two arrays, bytes; not a multiple of 16, so that arrays are aligned to their elements
 * only.
 */
const GUARD_BYTES = 76;

/**
 * A NaN that is told from others: what is read from between the arrays shows, and what is written
 * there too.
 */
const GUARD = 0x7fe5a5a5;

/** Elements of a tensor: float32, int32 or bytes, which tfjs calls bool. */
export interface TensorValues {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/** What else a check may want. */
export interface GuardOptions {
  /** Takes the place of what the module says of itself: which kernels the products choose. */
  readonly relaxed?: RelaxedDot | null | undefined;
  /**
   * The array, in the order they are placed, that ends where the memory ends, so that whoever reads
   * past it traps. Then the kernels run on a memory of their own.
   */
  readonly atEnd?: number | undefined;
}

/** A tensor's shape, and where it is. */
interface Placed extends tf.TensorInfo {
  readonly address: number;
  readonly bytes: number;
  readonly kept: Uint8Array | undefined; // what must be there in the end
}

/**
 * The WASM kernels on memory of which every byte is watched: a kernel may write to its outputs and
 * its scratch memory, and nothing else; `run` cuts the work at the given items.
 */
export class GuardedWasm extends WasmModule {
  private readonly placed: Placed[] = [];
  private next: number;

  private constructor(
    backend: WasmBackend,
    private readonly watched: Watched,
    private readonly cuts: readonly number[],
    private readonly atEnd: number | undefined,
  ) {
    super(backend, watched.memory, watched.exports, watched.relaxed);
    this.next = watched.begin;
    this.words().fill(GUARD);
  }

  /** Runs `body` on `bytes` of memory, a multiple of 4, and checks what it wrote. */
  static check<T>(
    bytes: number,
    cuts: readonly number[],
    body: (module: GuardedWasm) => T,
    { atEnd, relaxed }: GuardOptions = {},
  ): T {
    const backend = tf.backend() as unknown as WasmBackend;
    const real = wasmModule(backend)!;
    return real.call(() => {
      const watched = atEnd === undefined ? partOf(real, bytes) : ownMemory(bytes);
      const variant = relaxed === undefined ? {} : { relaxed };
      const guarded = new GuardedWasm(backend, { ...watched, ...variant }, cuts, atEnd);
      const result = body(guarded);
      guarded.checkWrites();
      return result;
    });
  }

  /** Puts values into the memory; they must not change. */
  input({ shape, values }: TensorValues): tf.TensorInfo {
    const float = values instanceof Float32Array;
    const dtype = float ? 'float32' : values instanceof Int32Array ? 'int32' : 'bool';
    const { buffer, byteOffset, byteLength } = values;
    const kept = new Uint8Array(buffer.slice(byteOffset, byteOffset + byteLength));
    const placed = this.place(shape, dtype, kept);
    this.bytes().set(kept, placed.address);
    return placed;
  }

  /** Of a float32 tensor. */
  valuesOf({ dataId }: tf.TensorInfo): Float32Array {
    const { address, bytes } = this.find(dataId);
    return new Float32Array(this.memory.buffer, address, bytes / 4).slice();
  }

  /** Of any tensor. */
  bytesOf({ dataId }: tf.TensorInfo): Uint8Array {
    const { address, bytes } = this.find(dataId);
    return this.bytes().slice(address, address + bytes);
  }

  override addressOf({ dataId }: tf.TensorInfo): number {
    return this.find(dataId).address;
  }

  override output(shape: readonly number[], dtype: tf.DataType): tf.TensorInfo {
    return this.place(shape, dtype);
  }

  override scratch(bytes: number): number {
    // as the arena promises
    this.next = Math.ceil(this.next / 64) * 64;
    return this.place([bytes], 'bool').address;
  }

  override constant(_key: string, make: () => Uint8Array): number {
    const values = make();
    return this.addressOf(this.input({ shape: [values.length], values }));
  }

  override run(
    name: string,
    args: readonly number[],
    count: number,
    { scratchBytes = 0 }: RunOptions = {},
  ): void {
    const ends = [...this.cuts.map((cut) => Math.floor(cut * count)), count];
    let begin = 0;
    for (const end of ends) {
      // memory of its own for each range, as threads have it
      const scratch = scratchBytes > 0 ? this.scratch(scratchBytes) : 0;
      this.exports[name]!(...args, scratch, begin, end);
      begin = end;
    }
  }

  private find(dataId: object): Placed {
    return this.placed.find((placed) => placed.dataId === dataId)!;
  }

  private place(shape: readonly number[], dtype: tf.DataType, kept?: Uint8Array): Placed {
    const bytes = shape.reduce((size, length) => size * length, dtype === 'bool' ? 1 : 4);
    const { end } = this.watched;
    const last = this.placed.length === this.atEnd;
    const address = last ? end - bytes : this.next;
    if (!last) this.next = Math.ceil((address + bytes) / 4) * 4 + GUARD_BYTES;
    const limit = last ? address : end;
    expect(this.next, 'bytes of the guarded memory').to.be.at.most(limit);
    const placed: Placed = { dataId: {}, shape: [...shape], dtype, address, bytes, kept };
    this.placed.push(placed);
    return placed;
  }

  /** What is nobody's keeps the guard, inputs keep their values. */
  private checkWrites(): void {
    const { begin, end } = this.watched;
    let free = begin;
    const arrays = [...this.placed].sort((a, b) => a.address - b.address);
    for (const { address, bytes } of [...arrays, { address: end, bytes: 0 }]) {
      const at = this.spoiltFrom(free, address);
      if (at < address) {
        throw new Error(`a kernel wrote ${at - free} bytes behind the end of an array`);
      }
      free = address + bytes;
    }
    for (const { address, bytes, kept } of arrays) {
      if (
        kept === undefined ||
        this.bytes()
          .subarray(address, address + bytes)
          .every((byte, i) => byte === kept[i])
      )
        continue;
      throw new Error('a kernel wrote to an input');
    }
  }

  /** The first byte from `at` on that lost its guard; `to` for none. */
  private spoiltFrom(from: number, to: number): number {
    const guard = new Uint8Array(Int32Array.of(GUARD).buffer);
    const words = new Int32Array(this.memory.buffer);
    const bytes = this.bytes();
    let at = from;
    while (at < to && at % 4 !== 0 && bytes[at] === guard[at % 4]) at++;
    if (at % 4 === 0) while (at + 4 <= to && words[at / 4] === GUARD) at += 4;
    while (at < to && bytes[at] === guard[at % 4]) at++;
    return at;
  }

  private words(): Int32Array {
    const { begin, end } = this.watched;
    return new Int32Array(this.memory.buffer, begin, (end - begin) / 4);
  }
}
