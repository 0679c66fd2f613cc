import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { WasmBackend } from '../../ops/wasm/backend.js';
import { type RunOptions, WasmModule, wasmModule } from '../../ops/wasm/module.js';
import type { Values } from './gradient.js';

/** Between any two arrays, bytes; not a multiple of 16, so that arrays are aligned to their elements only. */
const GUARD_BYTES = 76;

/** A NaN that is told from others: what is read from between the arrays shows, and what is written there too. */
const GUARD = 0x7fe5a5a5;

/** A tensor's shape, and where it is. */
interface Placed extends tf.TensorInfo {
  readonly address: number;
  readonly bytes: number;
}

/**
 * The WASM kernels on memory of which every byte is watched: a kernel may write to its outputs and its scratch memory,
 * and nothing else; `run` cuts the work at the given items.
 */
export class GuardedWasm extends WasmModule {
  private readonly placed = new Map<object, Placed>();
  private readonly end: number;
  private next: number;

  private constructor(
    backend: WasmBackend,
    { memory, exports, relaxed }: WasmModule,
    private readonly begin: number,
    bytes: number,
    private readonly cuts: readonly number[],
  ) {
    super(backend, memory, exports, relaxed);
    this.next = begin;
    this.end = begin + bytes;
    new Int32Array(memory.buffer, begin, bytes / 4).fill(GUARD);
  }

  /** Runs `body` on `bytes` of tfjs's memory, a multiple of 4, and checks what it wrote. */
  static check<T>(bytes: number, cuts: readonly number[], body: (module: GuardedWasm) => T): T {
    const backend = tf.backend() as unknown as WasmBackend;
    const real = wasmModule(backend)!;
    return real.call(() => {
      const guarded = new GuardedWasm(backend, real, real.scratch(bytes), bytes, cuts);
      const result = body(guarded);
      guarded.checkWrites();
      return result;
    });
  }

  /** Puts float32 values into the memory; they must not change. */
  input({ shape, values }: Values): tf.TensorInfo {
    const placed = this.place(shape, values.length);
    new Float32Array(this.memory.buffer, placed.address, values.length).set(values);
    return placed;
  }

  valuesOf({ dataId }: tf.TensorInfo): Float32Array {
    const { address, bytes } = this.placed.get(dataId)!;
    return new Float32Array(this.memory.buffer, address, bytes / 4).slice();
  }

  override addressOf({ dataId }: tf.TensorInfo): number {
    return this.placed.get(dataId)!.address;
  }

  override output(shape: readonly number[], dtype: tf.DataType): tf.TensorInfo {
    expect(dtype).to.equal('float32');
    const size = shape.reduce((product, length) => product * length, 1);
    return this.place(shape, size);
  }

  override scratch(bytes: number): number {
    // as the arena promises
    this.next = Math.ceil(this.next / 64) * 64;
    return this.place([], Math.ceil(bytes / 4)).address;
  }

  override constant(_key: string, make: () => Uint8Array): number {
    const bytes = make();
    const address = this.scratch(bytes.length);
    this.bytes().set(bytes, address);
    return address;
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

  private place(shape: readonly number[], size: number): Placed {
    const bytes = 4 * size;
    const address = this.next;
    this.next += bytes + GUARD_BYTES;
    expect(this.next, 'bytes of the guarded memory').to.be.at.most(this.end);
    const dtype = 'float32' as const;
    const placed: Placed = { dataId: {}, shape: [...shape], dtype, address, bytes };
    this.placed.set(placed.dataId, placed);
    return placed;
  }

  /** What is nobody's keeps the guard. Whether inputs keep their values is for `body` to see. */
  private checkWrites(): void {
    const words = new Int32Array(this.memory.buffer);
    let free = this.begin;
    // in the order of their addresses
    for (const { address, bytes } of [...this.placed.values(), { address: this.end, bytes: 0 }]) {
      for (let at = free; at < address; at += 4) {
        if (words[at / 4] === GUARD) continue;
        throw new Error(`a kernel wrote ${at - free} bytes behind the end of an array`);
      }
      free = address + bytes;
    }
  }
}
