// y = x H: rows of a Hadamard transform, float32, in L1.
//
// A plan (ops/hadamardTransform/wasmPlan.ts writes it) is
//   f32 scale, 1/√blockSize
//   i32 order of the Sylvester factor, 1 for none; it is the last factor, along neighbours
//   i32 number of dense factors
//   per dense factor: i32 kind, i32 order, i32 stride (elements between two entries that it mixes),
//   i32 offset of its table from the plan's start (bytes)
import { denseFactor } from './hadamardDense';
import { paley12 } from './hadamard12';
import { sylvester } from './sylvester';

const HEADER_BYTES: usize = 12;
const FACTOR_BYTES: usize = 16;

/** Kinds of dense factors: by a table of signs, or order 12 by its own algorithm. */
const KIND_TABLE: i32 = 0;
const KIND_PALEY12: i32 = 1;

/**
 * items: rows of `length` elements, whole blocks; the last may be shorter, `size` elements in all.
 */
export function hadamardTransform(
  src: usize,
  dst: usize,
  size: u32,
  length: u32,
  plan: usize,
  scratch: usize,
  begin: i32,
  end: i32,
): void {
  for (let row = begin; row < end; row++) {
    const start = <u32>row * length;
    const offset = <usize>start << 2;
    hadamardRow(src + offset, dst + offset, scratch, min(length, size - start), plan);
  }
}

/**
 * dst = src (I ⊗ H), one row of `length` elements, a multiple of the plan's block size; for other
 * kernels to import. dst may be src. `temp`: the plan's tempBytes, none (0) where no factor needs a
 * table. Every element is multiplied by 1/√blockSize first, so that large sums do not overflow.
 */
export function hadamardRow(
  src: usize,
  dst: usize,
  temp: usize,
  length: u32,
  plan: usize,
): void {
  const bytes = <usize>length << 2;
  let from = src;
  let scale = load<f32>(plan);
  const sylvesterOrder = load<u32>(plan, 4);
  const denseFactors = load<i32>(plan, 8);
  // factors commute; this one first, because it alone goes through src in order, as prefetchers
  // like it
  if (sylvesterOrder > 1 || denseFactors === 0) {
    sylvester(src, dst, bytes, <usize>sylvesterOrder << 2, scale);
    from = dst;
    scale = 1;
  }
  let factor = plan + HEADER_BYTES;
  for (let rest = denseFactors; rest > 0; rest--) {
    const kind = load<i32>(factor);
    const order = load<u32>(factor, 4);
    const stride = <usize>load<u32>(factor, 8) << 2;
    if (kind === KIND_TABLE) {
      denseFactor(from, dst, bytes, order, stride, plan + load<u32>(factor, 12), temp, scale);
    } else {
      paley12(from, dst, bytes, stride, kind !== KIND_PALEY12, scale);
    }
    from = dst;
    scale = 1;
    factor += FACTOR_BYTES;
  }
}
