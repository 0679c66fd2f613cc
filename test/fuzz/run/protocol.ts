import type { Outcome } from '../base/outcome.js';

/** Cases of one kind, in order. */
export interface Job {
  readonly kind: string;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

/** What a child is told on its command line, as JSON. */
export interface Order {
  readonly seed: number;
  readonly jobs: readonly Job[];
}

/**
 * What a child says, a line of JSON each, on file descriptor 3: written at once, so that the last
 * line of one that dies says where it was.
 */
export type Said =
  | { readonly preparing: string }
  | { readonly begin: number; readonly kind: string; readonly text: string }
  | { readonly end: number; readonly kind: string; readonly outcome: Outcome };

export const CHANNEL = 3;
