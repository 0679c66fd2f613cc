import {
  matMul,
  reshape,
  type Tensor,
  tensor2d,
  transpose as transposeAxes,
} from '@tensorflow/tfjs-core';
import type { ComposedOp } from '../common/kernel.js';
import { BoundedMap } from '../numerics/boundedMap.js';
import {
  findHadamardPlan,
  type HadamardFactor,
  type HadamardPlan,
  hadamardSigns,
} from '../numerics/hadamard.js';
import {
  type HadamardTransformAttrs,
  type HadamardTransformInputs,
  hadamardTransformContract,
} from './contract.js';

/** Of up to 64 MiB each. */
const MOST_MATRIX_BYTES = 2 ** 26;
const matrices = new BoundedMap<string, Float32Array>(
  MOST_MATRIX_BYTES,
  ({ byteLength }) => byteLength,
);

/** What a backend's matMul is good at. */
export interface MatMulStrengths {
  /** Blocks up to this size are faster as one product with H than as two with its factors. */
  readonly denseUpTo: number;
  /** A batched product is faster than two transposes around a plain one. */
  readonly batched: boolean;
}

/** The op on any backend. */
export const hadamardTransformOp: ComposedOp<HadamardTransformInputs, HadamardTransformAttrs> = {
  contract: hadamardTransformContract,
  composite: hadamardTransformComposite,
};

/**
 * The op from tfjs ops. Not batched: on WASM that path is 2 to 8 times slower, and on WebGPU it
 * carries a NaN over into the neighbouring matrices.
 */
export function hadamardTransformComposite(
  { x }: HadamardTransformInputs,
  attrs: HadamardTransformAttrs,
): Tensor {
  return transformByMatMul(x, attrs, { denseUpTo: 0, batched: false });
}

/**
 * y = x (P ⊗ Q) as two dense products, O(n·(p + q)) with p·q = n: tfjs's matMul is the fastest
 * thing every backend has.
 */
export function transformByMatMul(
  x: Tensor,
  { transpose, blockSize }: HadamardTransformAttrs,
  { denseUpTo, batched }: MatMulStrengths,
): Tensor {
  const plan = findHadamardPlan(blockSize)!;
  const [left, right] = blockSize <= denseUpTo ? [planOf([]), plan] : balancedSplit(plan);
  const p = left.size;
  const q = right.size;
  const blocks = x.size / blockSize;

  // a power of two near 1/√q is exact and keeps large sums from overflowing; the rest of 1/√n comes
  // once, at the end
  const rightScale = p === 1 ? 1 / Math.sqrt(q) : 2 ** -Math.round(Math.log2(q) / 2);
  const rightMatrix = denseMatrix(right, rightScale);
  const byRight = matMul(reshape(x, [blocks * p, q]), rightMatrix, false, transpose);
  if (p === 1) return reshape(byRight, x.shape);

  const leftMatrix = denseMatrix(left, 1 / Math.sqrt(blockSize) / rightScale);
  const grouped = reshape(byRight, [blocks, p, q]);
  if (batched) return reshape(matMul(leftMatrix, grouped, !transpose, false), x.shape);
  const transposed = reshape(swapLastAxes(grouped), [blocks * q, p]);
  const byBoth = matMul(transposed, leftMatrix, false, transpose);
  return reshape(swapLastAxes(reshape(byBoth, [blocks, q, p])), x.shape);
}

function swapLastAxes(x: Tensor): Tensor {
  return transposeAxes(x, [0, 2, 1]);
}

/**
 * Splits H = P ⊗ Q where the sum of the orders, the cost per element, is smallest. Sylvester may be
 * cut anywhere.
 */
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
  const values = matrices.get(key, () => {
    const made = new Float32Array(n * n);
    for (let i = 0; i < n; i++) made.set(hadamardSigns(plan, i), i * n);
    for (let at = 0; at < made.length; at++) made[at] = made[at]! * scale;
    return made;
  });
  return tensor2d(values, [n, n]);
}
