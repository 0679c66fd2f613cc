import { matMul, reshape, type Tensor, tensor2d } from '@tensorflow/tfjs-core';
import {
  findHadamardPlan,
  type HadamardFactor,
  type HadamardPlan,
  hadamardSigns,
} from '../common/hadamard.js';
import type { HadamardTransformAttrs, HadamardTransformInputs } from './op.js';

const matrices = new Map<string, Float32Array>();

/** The op from tfjs ops. */
export function hadamardTransformComposite(
  { x }: HadamardTransformInputs,
  attrs: HadamardTransformAttrs,
): Tensor {
  return transformByMatMul(x, attrs, 0);
}

/**
 * y = x (P ⊗ Q) as two dense products, O(n·(p + q)) with p·q = n: tfjs's matMul is the fastest thing every backend has.
 * Blocks up to `denseUpTo` are one product, for backends that are quicker at one large product than at two.
 */
export function transformByMatMul(
  x: Tensor,
  { transpose, blockSize }: HadamardTransformAttrs,
  denseUpTo: number,
): Tensor {
  const plan = findHadamardPlan(blockSize)!;
  const [left, right] = blockSize <= denseUpTo ? [planOf([]), plan] : balancedSplit(plan);
  const p = left.size;
  const q = right.size;
  const blocks = x.size / blockSize;

  // a power of two near 1/√q is exact and keeps large sums from overflowing; the rest of 1/√n comes once, at the end
  const rightScale = p === 1 ? 1 / Math.sqrt(q) : 2 ** -Math.round(Math.log2(q) / 2);
  const leftScale = 1 / Math.sqrt(blockSize) / rightScale;
  let y = matMul(reshape(x, [blocks * p, q]), denseMatrix(right, rightScale), false, transpose);
  if (p > 1)
    y = matMul(denseMatrix(left, leftScale), reshape(y, [blocks, p, q]), !transpose, false);
  return reshape(y, x.shape);
}

/** Splits H = P ⊗ Q where the sum of the orders, the cost per element, is smallest. Sylvester may be cut anywhere. */
export function balancedSplit(plan: HadamardPlan): [HadamardPlan, HadamardPlan] {
  const pieces = plan.factors.flatMap((factor) =>
    factor.kind === 'sylvester'
      ? Array<HadamardFactor>(Math.log2(factor.order)).fill({ kind: 'sylvester', order: 2 })
      : [factor],
  );
  let best = 0;
  const cost = (cut: number) => product(pieces.slice(0, cut)) + product(pieces.slice(cut));
  for (let cut = 1; cut < pieces.length; cut++) if (cost(cut) < cost(best)) best = cut;
  return [planOf(pieces.slice(0, best)), planOf(pieces.slice(best))];
}

function planOf(factors: readonly HadamardFactor[]): HadamardPlan {
  return { size: product(factors), factors };
}

function product(factors: readonly HadamardFactor[]): number {
  return factors.reduce((size, { order }) => size * order, 1);
}

/** The ±scale matrix of a plan; the values are cached, the tensor is the caller's scope's. */
function denseMatrix(plan: HadamardPlan, scale: number): Tensor {
  const n = plan.size;
  const key = `${plan.factors.map(({ order }) => order).join('x')} ${scale}`;
  let values = matrices.get(key);
  if (values === undefined) {
    values = new Float32Array(n * n);
    for (let i = 0; i < n; i++) values.set(hadamardSigns(plan, i), i * n);
    for (let at = 0; at < values.length; at++) values[at] = values[at]! * scale;
    matrices.set(key, values);
  }
  return tensor2d(values, [n, n]);
}
