import type { Dim } from '../../ops/numerics/lengths.js';

/**
 * A factor of an axis: what it runs over (samples, heads, tokens, channels), or an axis of which
 * one index is read.
 */
export interface Atom {
  readonly label: 'b' | 'h' | 't' | 'c' | 'part';
  readonly size: Dim;
  /** Of a part: the index that is read. */
  readonly index: number;
}
