import { WasmThreadError } from '../../numerics/errors.js';
import { allocateForGood } from '../instance/arena.js';
import type { EmscriptenModule } from '../instance/backend.js';
import type { CompiledModules } from '../instance/instantiate.js';
import {
  CONTROL,
  CONTROL_BYTES,
  CONTROL_WORDS,
  MAX_ARGS,
  NUMBER,
  NUMBERS,
  NUMBERS_OFFSET_BYTES,
  SPINS,
} from './control.js';
import { type SpawnedWorker, spawnWorker } from './spawn.js';

/** A kernel over items 0 … count − 1, `chunk` at a time. */
export interface Job {
  readonly kernel: number; // index among the names that the workers were given
  readonly args: readonly number[];
  readonly count: number;
  readonly chunk: number;
  readonly scratch: number; // address
  readonly scratchStride: number; // bytes per thread
}

/** What the workers of a pool share. */
export interface PoolSetup {
  readonly heap: EmscriptenModule;
  readonly memory: WebAssembly.Memory;
  readonly modules: CompiledModules;
  readonly names: readonly string[];
}

/**
 * How long a worker may stay in its chunk when all others are done; and at least so many times what
 * the caller took.
 */
export const JOIN_MS = 10_000;
const JOIN_FACTOR = 20;

/** Workers on a shared memory, and the protocol of `control.ts` from the caller's side. */
export class WorkerPool {
  /** How long `run` waits for a worker (ms); tests shorten it. */
  joinMs = JOIN_MS;
  private workers: readonly SpawnedWorker[] = [];
  private lost = false;

  private constructor(
    private readonly words: Int32Array,
    private readonly numbers: Float64Array,
    /**
     * Blocks of scratch memory that a job needs: one for each worker that was asked for, and the
     * caller's.
     */
    readonly slots: number,
  ) {}

  /** Starts workers; the pool has those that came up. */
  static async start(setup: PoolSetup, workers: number): Promise<WorkerPool> {
    const { heap, memory, modules, names } = setup;
    const control = allocateForGood(heap, CONTROL_BYTES);
    const words = new Int32Array(memory.buffer, control, CONTROL_WORDS).fill(0);
    const numbers = new Float64Array(memory.buffer, control + NUMBERS_OFFSET_BYTES, NUMBERS);
    const pool = new WorkerPool(words, numbers, workers + 1);
    const spawned = Array.from({ length: workers }, (_, i) =>
      pool.spawn({ memory, ...modules, names, control, id: i + 1 }),
    );
    const ready = await Promise.all(spawned.map((worker) => worker?.ready));
    pool.workers = spawned.filter((worker, i) => worker !== null && ready[i]) as SpawnedWorker[];
    for (const worker of spawned) if (!pool.workers.includes(worker!)) worker?.terminate();
    return pool;
  }

  /** Threads that take part in a job: the workers and the caller. */
  get threads(): number {
    return this.lost ? 1 : 1 + this.workers.length;
  }

  /** Whether a job fits into the block. */
  takes(args: readonly number[]): boolean {
    return !this.lost && args.length <= MAX_ARGS;
  }

  /**
   * Runs a job on all threads; `own` is the kernel as this thread calls it.
   * @throws WasmThreadError when a worker dies in a chunk or a kernel throws in one: the result is
   * not complete.
   */
  run(job: Job, own: (begin: number, end: number) => void): void {
    const { words } = this;
    this.write(job);
    Atomics.add(words, CONTROL.gate, 1);
    Atomics.notify(words, CONTROL.gate, Math.ceil(job.count / job.chunk) - 1);
    const started = performance.now();
    try {
      for (;;) {
        const begin = Atomics.add(words, CONTROL.next, job.chunk);
        if (begin >= job.count) break;
        own(begin, Math.min(begin + job.chunk, job.count));
      }
    } finally {
      Atomics.store(words, CONTROL.next, job.count);
      Atomics.add(words, CONTROL.gate, 1);
      this.join(performance.now() - started);
    }
    if (words[CONTROL.failed] === 0) return;
    this.stop();
    throw new WasmThreadError('a kernel failed in a worker');
  }

  /** Ends the workers; `run` must not be called again. */
  stop(): void {
    this.lost = true;
    Atomics.store(this.words, CONTROL.stop, 1);
    Atomics.add(this.words, CONTROL.gate, 2);
    Atomics.notify(this.words, CONTROL.gate);
    for (const worker of this.workers) worker.terminate();
  }

  private spawn(start: Parameters<typeof spawnWorker>[0]): SpawnedWorker | null {
    try {
      return spawnWorker(start, () => this.lose());
    } catch {
      // a page's policy may forbid workers
      return null;
    }
  }

  /** A worker ended between two jobs: nothing is wrong with their results. */
  private lose(): void {
    if (this.lost || this.workers.length === 0) return;
    this.stop();
    console.warn('tfjs-hadanorm: a worker ended; WASM kernels go on with one thread.');
  }

  private write({ kernel, args, count, chunk, scratch, scratchStride }: Job): void {
    const { words, numbers } = this;
    words[CONTROL.next] = 0;
    words[CONTROL.failed] = 0;
    words[CONTROL.kernel] = kernel;
    words[CONTROL.count] = count;
    words[CONTROL.chunk] = chunk;
    words[CONTROL.argCount] = args.length;
    numbers[NUMBER.scratch] = scratch;
    numbers[NUMBER.scratchStride] = scratchStride;
    numbers.set(args, NUMBER.args);
  }

  /**
   * Waits until no worker is in a chunk. A page's main thread must not sleep, so it looks again and
   * again.
   */
  private join(workedMs: number): void {
    const { words } = this;
    const deadline = performance.now() + Math.max(this.joinMs, JOIN_FACTOR * workedMs);
    for (;;) {
      for (let i = 0; i < SPINS; i++) if (Atomics.load(words, CONTROL.active) === 0) return;
      const rest = deadline - performance.now();
      if (rest <= 0) break;
      sleepWhile(words, CONTROL.active, rest);
    }
    this.stop();
    throw new WasmThreadError('a worker died, or does not answer');
  }
}

let maySleep = true;

/**
 * Sleeps until the word is notified, for `ms` at most; returns at once where the thread must not
 * sleep.
 */
function sleepWhile(words: Int32Array, index: number, ms: number): void {
  const value = Atomics.load(words, index);
  if (value === 0 || !maySleep) return;
  try {
    Atomics.wait(words, index, value, ms);
  } catch {
    maySleep = false;
  }
}
