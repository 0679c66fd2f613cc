// y = x H: rows of a Hadamard transform, float32, in L1.
import { denseFactor } from './hadamardDense';
import { paley12 } from './hadamard12';
import {
  FACTOR_KIND_PALEY12, FACTOR_KIND_TABLE, HADAMARD_FACTOR_BYTES, HADAMARD_PLAN_BYTES,
  HadamardFactor, HadamardPlan,
} from './records';
import { sylvester } from './sylvester';

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
  const head = changetype<HadamardPlan>(plan);
  let from = src;
  let scale = head.scale;
  const sylvesterOrder = head.sylvesterOrder;
  const denseFactors = head.denseFactors;
  // factors commute; this one first, because it alone goes through src in order, as prefetchers
  // like it
  if (sylvesterOrder > 1 || denseFactors === 0) {
    sylvester(src, dst, bytes, <usize>sylvesterOrder << 2, scale);
    from = dst;
    scale = 1;
  }
  let at = plan + HADAMARD_PLAN_BYTES;
  for (let left = denseFactors; left > 0; left--) {
    const factor = changetype<HadamardFactor>(at);
    const kind = factor.kind;
    const order = factor.order;
    const stride = <usize>factor.stride << 2;
    if (kind === FACTOR_KIND_TABLE) {
      denseFactor(from, dst, bytes, order, stride, plan + factor.table, temp, scale);
    } else {
      paley12(from, dst, bytes, stride, kind !== FACTOR_KIND_PALEY12, scale);
    }
    from = dst;
    scale = 1;
    at += HADAMARD_FACTOR_BYTES;
  }
}
