import * as tf from '@tensorflow/tfjs';
import { memoryOf, type WasmBackend } from '../../../ops/wasm/instance/backend.js';

/** Around every block, bytes. */
const ZONE = 128;
const GUARD = 0xa5;

/**
 * tfjs's own heap with a zone around every block that is allocated while it is watched: what tfjs
 * and this package write beside their tensors and scratch memory shows.
 */
export class GuardedHeap {
  private readonly heap = (tf.backend() as unknown as WasmBackend).wasm;
  private readonly malloc = this.heap._malloc;
  private readonly free = this.heap._free;
  private readonly blocks = new Map<number, number>();
  private readonly faults: string[] = [];
  /** Sizes that malloc was asked for. */
  readonly asked: number[] = [];

  private constructor() {
    this.heap._malloc = (bytes) => this.allocate(bytes);
    this.heap._free = (address) => this.release(address >>> 0);
  }

  /** Runs `body` on the watched heap. @throws Error where something was written beside a block. */
  static check<T>(body: (heap: GuardedHeap) => T): T {
    const heap = new GuardedHeap();
    try {
      return body(heap);
    } finally {
      heap.restore();
    }
  }

  /** Blocks that are not freed, of those that were allocated while it is watched. */
  get live(): number {
    return this.blocks.size;
  }

  /** @throws Error where something was written beside a block. */
  checkZones(): void {
    for (const [address, bytes] of this.blocks) this.look(address, bytes);
    if (this.faults.length > 0) throw new Error(this.faults.join('; '));
  }

  /** Stops watching; blocks that live on are freed by their zones' beginning. */
  private restore(): void {
    this.heap._malloc = this.malloc;
    const { blocks, free, heap } = this;
    if (blocks.size === 0) {
      heap._free = free;
      return;
    }
    heap._free = (address) => free(blocks.delete(address >>> 0) ? address - ZONE : address);
  }

  private allocate(bytes: number): number {
    this.asked.push(bytes);
    const base = this.malloc(bytes + 2 * ZONE) >>> 0;
    if (base === 0) return 0;
    const address = base + ZONE;
    // what malloc understands of it
    const taken = bytes >>> 0;
    this.blocks.set(address, taken);
    const all = this.bytes();
    all.fill(GUARD, base, address);
    all.fill(GUARD, address + taken, address + taken + ZONE);
    return address;
  }

  private release(address: number): void {
    const bytes = this.blocks.get(address);
    if (bytes !== undefined) this.look(address, bytes);
    this.free(this.blocks.delete(address) ? address - ZONE : address);
  }

  private look(address: number, bytes: number): void {
    const all = this.bytes();
    for (const from of [address - ZONE, address + bytes]) {
      const zone = all.subarray(from, from + ZONE);
      if (zone.every((byte) => byte === GUARD)) continue;
      this.faults.push(`written beside a block of ${bytes} bytes`);
      zone.fill(GUARD);
    }
  }

  private bytes(): Uint8Array {
    return new Uint8Array(memoryOf(this.heap)!.buffer);
  }
}
