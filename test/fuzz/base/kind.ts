import type { Outcome } from './outcome.js';

/** One mutated input. */
export interface FuzzCase {
  /** What it is, for people. */
  readonly text: string;
  readonly run: () => Promise<Outcome>;
}

/** Inputs of one kind. */
export interface Kind {
  readonly name: string;
  /** Of how many in a thousand inputs they are. */
  readonly share: number;
  /** What is needed once; then the case of seeds: of what it is made of, then of each mutation. */
  readonly prepare: () => Promise<(seeds: readonly number[]) => FuzzCase>;
}
