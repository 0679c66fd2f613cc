import { concat, slice, type Tensor2D, tensor2d, tidy, transpose } from '@tensorflow/tfjs-core';
import { hadamardTransform } from '../../ops/hadamardTransform/op.js';
import { type Range, rowOf } from '../math/triangle.js';
import type { Transform } from './transform.js';

/** Rows that are rotated at a time. */
const CHUNK = 256;

/**
 * Rᵀ diag(1/σ) S diag(1/σ) R on the backend, row by row as it is asked for: of the whole there is
 * one matrix, its rows rotated and its columns not yet.
 */
export class RotatedScatter {
  private readonly halves: Tensor2D[] = [];

  /** @param packed S's upper triangle, row by row. */
  constructor(
    private readonly t: Transform,
    private readonly packed: Float64Array,
  ) {
    const { d, blockSize } = t;
    for (let from = 0; blockSize > 0 && from < d; from += CHUNK) {
      const rows = { from, to: Math.min(from + CHUNK, d) };
      this.halves.push(tidy(() => hadamardTransform(this.unrotated(rows), { blockSize })));
    }
  }

  /** Rows of it, whole. */
  rows(rows: Range): Tensor2D {
    if (this.halves.length === 0) return this.unrotated(rows);
    return tidy(() => {
      // symmetric: what is turned has its columns rotated as its rows are
      const count = rows.to - rows.from;
      const columns = this.halves.map((half) => {
        return slice(half, [0, rows.from], [half.shape[0], count]);
      });
      return hadamardTransform(transpose(concat(columns, 0)), { blockSize: this.t.blockSize });
    });
  }

  dispose(): void {
    for (const half of this.halves.splice(0)) half.dispose();
  }

  private unrotated(rows: Range): Tensor2D {
    const { d } = this.t;
    const count = rows.to - rows.from;
    const values = scaledRows(this.t, this.packed, rows, new Float32Array(count * d));
    return tensor2d(values, [count, d]);
  }
}

/** Rows of diag(1/σ) S diag(1/σ), whole, from the upper triangle of S. */
export function scaledRows<T extends Float32Array | Float64Array>(
  { d, sigma }: Transform,
  packed: Float64Array,
  { from, to }: Range,
  out: T,
): T {
  const inverse = Float64Array.from({ length: d }, (_, c) => (sigma === null ? 1 : 1 / sigma[c]!));
  for (let i = from; i < to; i++) {
    const [at, row] = [(i - from) * d, rowOf(d, i)];
    for (let j = i; j < d; j++) out[at + j] = packed[row + j]! * inverse[i]! * inverse[j]!;
  }
  // what lies below the diagonal is read along the rows above it
  for (let j = 0; j < to; j++) {
    const row = rowOf(d, j);
    for (let i = Math.max(j + 1, from); i < to; i++) {
      out[(i - from) * d + j] = packed[row + i]! * inverse[i]! * inverse[j]!;
    }
  }
  return out;
}
