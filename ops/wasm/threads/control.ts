/**
 * The block of shared memory by which a caller and its workers agree, in 32-bit words.
 *
 * The gate is odd while a job may be joined and even while not; every change adds 1. A worker
 * counts itself in `active`, then looks again whether the gate is still the one that it saw; the
 * caller closes the gate, then waits until nobody is active. In the one order that atomics have,
 * either the worker sees the gate closed or the caller sees the worker, so nobody reads a job that
 * is being written. Work is taken in chunks from `next`, by the caller too: a worker that comes
 * late, or never, costs time and nothing else. Only one that dies within a chunk holds the caller
 * up.
 */
export const CONTROL = {
  gate: 0,
  active: 1,
  next: 2, // first item that nobody has taken
  failed: 3, // 1: a kernel threw in a worker
  stop: 4, // 1: workers shall end
  kernel: 5, // index among the names that the workers were given
  count: 6, // items
  chunk: 7, // items that are taken at a time
  argCount: 8,
} as const;

export const CONTROL_WORDS = 16;

/** The numbers behind the words, float64; the arguments last. */
export const NUMBER = {
  scratch: 0, // what scratch memory begins at
  scratchStride: 1, // bytes of it per thread
  args: 2,
} as const;

export const NUMBERS_OFFSET_BYTES = 4 * CONTROL_WORDS;
export const MAX_ARGS = 30;
export const NUMBERS = NUMBER.args + MAX_ARGS;

export const CONTROL_BYTES = NUMBERS_OFFSET_BYTES + 8 * NUMBERS;

/** How often a thread looks before it sleeps: some 20 µs, what waking it would cost. */
export const SPINS = 2000;

/** What a worker is started with. */
export interface WorkerStart {
  readonly memory: WebAssembly.Memory;
  readonly baseline: WebAssembly.Module;
  readonly relaxed: WebAssembly.Module | null;
  readonly names: readonly string[]; // of the kernels, as `CONTROL.kernel` counts them
  readonly control: number; // address of the block
  readonly id: number; // 1, 2, …; the caller is 0
}
