import * as tf from '@tensorflow/tfjs';
import { memoryOf, type WasmBackend } from '../../../ops/wasm/instance/backend.js';

/** Around every block, bytes. */
const ZONE_BYTES = 128;
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
  private faults: string[] = [];
  private guard = GUARD;
  /** Sizes that malloc was asked for. */
  readonly asked: number[] = [];

  private constructor(
    private readonly zoneBytes: number,
    /** Whether new blocks are full of the guard too. */
    private readonly paintsBlocks: boolean,
  ) {
    this.heap._malloc = (bytes) => this.allocate(bytes);
    this.heap._free = (address) => this.release(address >>> 0);
  }

  /** Runs `body` on the watched heap. @throws Error where something was written beside a block. */
  static check<T>(body: (heap: GuardedHeap) => T): T {
    const heap = new GuardedHeap(ZONE_BYTES, false);
    try {
      return body(heap);
    } finally {
      heap.restore();
    }
  }

  /**
   * Watches for good. New blocks are full of the guard: what is read beside a block, or was never
   * written, is another number under another guard (see `paint`).
   */
  static watch(zoneBytes: number): GuardedHeap {
    return new GuardedHeap(zoneBytes, true);
  }

  /** Another byte as the guard, around all blocks and in those to come. */
  paint(guard: number): void {
    for (const [address, bytes] of this.blocks) this.look(address, bytes);
    this.guard = guard;
    const all = this.bytes();
    for (const [address, bytes] of this.blocks) {
      for (const zone of this.zones(all, address, bytes)) zone.fill(guard);
    }
  }

  /** What was written beside blocks since the last call. */
  takeFaults(): string[] {
    for (const [address, bytes] of this.blocks) this.look(address, bytes);
    const { faults } = this;
    this.faults = [];
    return faults;
  }

  /** Bytes of blocks that are not freed. */
  get liveBytes(): number {
    return [...this.blocks.values()].reduce((sum, bytes) => sum + bytes, 0);
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
    const { zoneBytes } = this;
    heap._free = (address) => free(blocks.delete(address >>> 0) ? address - zoneBytes : address);
  }

  private allocate(bytes: number): number {
    this.asked.push(bytes);
    const base = this.malloc(bytes + 2 * this.zoneBytes) >>> 0;
    if (base === 0) return 0;
    const address = base + this.zoneBytes;
    // what malloc understands of it
    const taken = bytes >>> 0;
    this.blocks.set(address, taken);
    const all = this.bytes();
    for (const zone of this.zones(all, address, taken)) zone.fill(this.guard);
    if (this.paintsBlocks) all.fill(this.guard, address, address + taken);
    return address;
  }

  private release(address: number): void {
    const bytes = this.blocks.get(address);
    if (bytes !== undefined) this.look(address, bytes);
    this.free(this.blocks.delete(address) ? address - this.zoneBytes : address);
  }

  private look(address: number, bytes: number): void {
    for (const zone of this.zones(this.bytes(), address, bytes)) {
      if (isFullOf(zone, this.guard)) continue;
      this.faults.push(`written beside a block of ${bytes} bytes`);
      zone.fill(this.guard);
    }
  }

  private zones(all: Uint8Array, address: number, bytes: number): Uint8Array[] {
    return [address - this.zoneBytes, address + bytes].map((from) =>
      all.subarray(from, from + this.zoneBytes),
    );
  }

  private bytes(): Uint8Array {
    return new Uint8Array(memoryOf(this.heap)!.buffer);
  }
}

/** Not by `every`: it calls a function for each byte, of many blocks. */
function isFullOf(zone: Uint8Array, guard: number): boolean {
  const odd = (4 - (zone.byteOffset % 4)) % 4;
  const words = new Int32Array(zone.buffer, zone.byteOffset + odd, (zone.length - odd) >> 2);
  const word = guard | (guard << 8) | (guard << 16) | (guard << 24);
  for (let at = 0; at < words.length; at++) if (words[at] !== word) return false;
  for (let at = 0; at < odd; at++) if (zone[at] !== guard) return false;
  for (let at = odd + 4 * words.length; at < zone.length; at++) {
    if (zone[at] !== guard) return false;
  }
  return true;
}
