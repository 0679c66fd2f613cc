import { matMul, reshape, type Tensor, tensor2d } from '@tensorflow/tfjs-core';
import {
  findHadamardPlan,
  type HadamardFactor,
  type HadamardPlan,
  hadamardSign,
} from '../common/hadamard.js';
import type { HadamardTransformAttrs, HadamardTransformInputs } from './op.js';

const matrices = new Map<string, Float32Array>();

/**
 * y = x (P ⊗ Q) as two dense products, O(n·(p + q)) with p·q = n: tfjs's matMul is the fastest thing every backend has.
 */
export function hadamardTransformComposite(
  { x }: HadamardTransformInputs,
  { transpose, blockSize }: HadamardTransformAttrs,
): Tensor {
  const plan = findHadamardPlan(blockSize)!;
  const [left, right] = balancedSplit(plan);
  const p = left.size;
  const q = right.size;
  const blocks = x.size / blockSize;

  let y = matMul(reshape(x, [blocks * p, q]), denseMatrix(right), false, transpose);
  if (p > 1) y = matMul(denseMatrix(left), reshape(y, [blocks, p, q]), !transpose, false);
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

/** The orthonormal matrix of a plan; the values are cached, the tensor is the caller's scope's. */
function denseMatrix(plan: HadamardPlan): Tensor {
  const n = plan.size;
  const key = plan.factors.map(({ order }) => order).join('x');
  let values = matrices.get(key);
  if (values === undefined) {
    values = new Float32Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) values[i * n + j] = hadamardSign(plan, i, j) / Math.sqrt(n);
    }
    matrices.set(key, values);
  }
  return tensor2d(values, [n, n]);
}
