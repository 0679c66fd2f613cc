import type { EmscriptenModule } from './backend.js';
import { allocate } from './heap.js';

/**
 * Blocks begin at multiples of a cache line, so that threads do not write to one line from two
 * sides.
 */
const ALIGNMENT = 64;

/** Kept between calls (bytes); what does not fit is given back after its call. */
const KEPT_BYTES = 1 << 20;

/**
 * Scratch memory in tfjs's heap. A block stays the caller's until `release`; a small arena is kept
 * between calls, since most kernels need a few kilobytes each time.
 */
export class Arena {
  private base = 0;
  private used = 0;
  private readonly large: number[] = [];

  constructor(
    private readonly heap: EmscriptenModule,
    private readonly keptBytes = KEPT_BYTES,
  ) {}

  /** `bytes` of memory at a multiple of 64, with what happens to be in it. */
  take(bytes: number): number {
    if (this.base === 0) this.base = allocate(this.heap, this.keptBytes + ALIGNMENT);
    const rounded = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const start = align(this.base) + this.used;
    if (this.used + rounded <= this.keptBytes) {
      this.used += rounded;
      return start;
    }
    const block = allocate(this.heap, rounded + ALIGNMENT);
    this.large.push(block);
    return align(block);
  }

  /** Where the arena stands, for `release`. */
  mark(): ArenaMark {
    return { used: this.used, large: this.large.length };
  }

  /** Takes back everything that was taken since the mark. */
  release({ used, large }: ArenaMark): void {
    this.used = used;
    while (this.large.length > large) this.heap._free(this.large.pop()!);
  }

  /** Gives everything back. */
  dispose(): void {
    this.release({ used: 0, large: 0 });
    if (this.base !== 0) this.heap._free(this.base);
    this.base = 0;
  }
}

/** How much of an arena was in use. */
export interface ArenaMark {
  readonly used: number;
  readonly large: number;
}

/** A block of tfjs's heap that begins at a multiple of 64. */
export interface Block {
  readonly address: number;
  /** What `_free` takes. */
  readonly base: number;
}

/**
 * Memory of tfjs's heap until it is freed.
 * @throws WasmMemoryError when there is none left.
 */
export function allocateBlock(heap: EmscriptenModule, bytes: number): Block {
  const base = allocate(heap, bytes + ALIGNMENT);
  return { address: align(base), base };
}

/**
 * Memory of tfjs's heap that is kept as long as the backend, at a multiple of 64.
 * @throws WasmMemoryError when there is none left.
 */
export function allocateForGood(heap: EmscriptenModule, bytes: number): number {
  return allocateBlock(heap, bytes).address;
}

function align(address: number): number {
  return Math.ceil(address / ALIGNMENT) * ALIGNMENT;
}
