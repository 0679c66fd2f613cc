import type { Counts } from '../run/tally.js';

/**
 * What a page tells: the outcome of a test, with the error or the reason, that its WebGPU device is
 * lost, or that all have run.
 */
export type PageEvent =
  | { kind: keyof Counts; suite: string; text?: string }
  | { kind: 'lost'; text: string }
  | { kind: 'end'; slowest: readonly string[] };
