import * as tf from '@tensorflow/tfjs';
import { Arena } from '../../../ops/wasm/instance/arena.js';
import type { WasmBackend } from '../../../ops/wasm/instance/backend.js';
import { wasmModule } from '../../../ops/wasm/module.js';
import { GuardedHeap } from '../../harness/wasm/guardedHeap.js';
import { useBackend } from '../base/backends.js';

/** What a group size taken for another one reads lies about a kilobyte off. */
const ZONE_BYTES = 1024;

/** A NaN in every word, and numbers of a common size: 0xffffffff, and 0.748 in float32. */
const GUARDS = [0xff, 0x3f] as const;

/**
 * The WASM backend, all of whose memory is watched: tensors, tables, and each piece of scratch
 * memory as a block of its own.
 */
export class Guard {
  private constructor(private readonly heap: GuardedHeap) {}

  private static made: Guard | null = null;

  /** The one guard of this process; the backend is chosen afterwards. */
  static async get(): Promise<Guard> {
    await useBackend('wasm');
    if (Guard.made !== null) return Guard.made;
    const backend = tf.backend() as unknown as WasmBackend;
    const module = wasmModule(backend)!;
    const heap = GuardedHeap.watch(ZONE_BYTES);
    // one that keeps nothing takes a block for each piece
    Reflect.set(module, 'arena', new Arena(backend.wasm, 0));
    Guard.made = new Guard(heap);
    return Guard.made;
  }

  /** Runs the same under both guards; what they give is to be compared. */
  async twice<T>(run: () => Promise<T>): Promise<readonly [T, T]> {
    const results: T[] = [];
    for (const guard of GUARDS) {
      this.heap.paint(guard);
      results.push(await run());
    }
    return [results[0]!, results[1]!];
  }

  /** Runs it under the guard that is there. */
  async once<T>(run: () => Promise<T>): Promise<readonly [T, T]> {
    const result = await run();
    return [result, result];
  }

  /** What was written beside blocks since the last call; null for nothing. */
  outsideWrites(): string | null {
    const faults = this.heap.takeFaults();
    this.heap.asked.length = 0;
    return faults.length === 0 ? null : faults.join('; ');
  }

  /** Bytes that are in use, tensors and the package's own tables. */
  get liveBytes(): number {
    return this.heap.liveBytes;
  }
}
