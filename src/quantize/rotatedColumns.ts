import { transformBlocks } from '../../ops/numerics/fastHadamard.js';

/** How the columns of a matrix [d, n] are rotated, and what its rows are multiplied by. */
export interface Rotation {
  readonly blockSize: number;
  /** [d]; null for 1. */
  readonly before: Float32Array | null;
  /** [d]; null for 1. */
  readonly after: Float32Array | null;
  readonly back: boolean;
}

/** Columns that are rotated together: of each row some lines of the cache are read whole. */
const STRIP = 64;

/**
 * diag(after) Rᵀ diag(before) W for W [d, n], rounded to float32 after each.
 *
 * Rᵀ W = (Wᵀ R)ᵀ: rows are what the rotation works on. They are turned in strips: scaled, turned
 * and rotated as a whole, a large W would be there three times more.
 */
export function rotatedColumns(
  w: Float32Array,
  n: number,
  { blockSize, before, after, back }: Rotation,
): Float32Array {
  const d = w.length / n;
  const out = new Float32Array(w.length);
  for (let from = 0; from < n; from += STRIP) {
    const width = Math.min(STRIP, n - from);
    const rows = new Float32Array(width * d);
    for (let i = 0; i < d; i++) {
      const factor = before === null ? 1 : before[i]!;
      for (let j = 0; j < width; j++) rows[j * d + i] = w[i * n + from + j]! * factor;
    }
    transformBlocks(rows, rows, blockSize, back);
    for (let i = 0; i < d; i++) {
      const factor = after === null ? 1 : after[i]!;
      for (let j = 0; j < width; j++) out[i * n + from + j] = rows[j * d + i]! * factor;
    }
  }
  return out;
}
