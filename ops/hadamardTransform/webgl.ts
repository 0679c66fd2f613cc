import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { BoundedMap } from '../numerics/boundedMap.js';
import { findHadamardPlan, type HadamardPlan, orthonormalRow } from '../numerics/hadamard.js';
import { transformTexels } from '../webgl/hadamard.js';
import { hasPasses, passesCost } from '../webgl/hadamardPasses.js';
import { type WebglScope, webglKernel } from '../webgl/kernel.js';
import { texelsOf } from '../webgl/packed.js';
import { withResident } from '../webgl/resident.js';
import { hadamardTransformOp } from './composite.js';
import type { HadamardTransformAttrs } from './contract.js';

/**
 * Passes over packed texels, for each factor of H one or, for Sylvester's, one for every 4 to 16;
 * a product with H, which stays on the GPU, where that takes no longer.
 *
 * With float16 textures results are within half's precision; where a pass goes beyond 65504 they
 * are infinite or NaN, as any op's of tfjs there.
 */
export const hadamardTransformWebgl = webglKernel(
  hadamardTransformOp,
  ({ inputs: { x }, attrs, webgl }): TensorInfo | TensorInfo[] => {
    const plan = findHadamardPlan(attrs.blockSize)!;
    if (plan.size === 1) {
      webgl.backend.incRef(x.dataId);
      return webgl.view(x, x.shape);
    }
    const numbers = util.sizeFromShape(x.shape);
    if (isDense(plan, numbers)) return product(webgl, x, plan, attrs);
    const { info } = transformTexels(webgl, texelsOf(webgl, x), plan, attrs.transpose);
    return webgl.view(info, x.shape);
  },
  ({ blockSize }) => whyNot(findHadamardPlan(blockSize)!),
);

/** The largest matrix that is kept: 16 MiB. */
const MOST_DENSE = 2048;

/**
 * Blocks up to this size take passes though they read no less: the product reads as many texels of
 * H. But for few numbers starting a program is all that takes time, and tfjs's starts sooner.
 */
const NARROW = 64;
const FEW_NUMBERS = 4096;

/** Where a product with H is faster than passes. */
function isDense(plan: HadamardPlan, numbers: number): boolean {
  if (plan.size > MOST_DENSE) return false;
  const [first] = plan.factors;
  const single = plan.factors.length === 1 && first!.kind !== 'sylvester';
  if (single || !hasPasses(plan)) return true;
  return readsLess(plan) && (plan.size > NARROW || numbers < FEW_NUMBERS);
}

const less = new BoundedMap<number, boolean>(1024);

/** Whether a product reads fewer texels of x, two columns each, than passes do. */
function readsLess(plan: HadamardPlan): boolean {
  return less.get(plan.size, () => plan.size / 2 <= passesCost(plan));
}

function whyNot(plan: HadamardPlan): string | null {
  if (plan.size <= MOST_DENSE || hasPasses(plan)) return null;
  return `webgl takes matrices up to ${MOST_DENSE} whole, and no larger one of such factors`;
}

function product(
  webgl: WebglScope,
  x: TensorInfo,
  plan: HadamardPlan,
  { transpose }: HadamardTransformAttrs,
): TensorInfo {
  const n = plan.size;
  const matrix = () => {
    const values = new Float32Array(n * n);
    for (let row = 0; row < n; row++) values.set(orthonormalRow(plan, row), row * n);
    return values;
  };
  const rows = webgl.view(x, [util.sizeFromShape(x.shape) / n, n]);
  const y = withResident(webgl.backend, `hadamard ${n}`, [n, n], matrix, (h) =>
    webgl.runKernel('BatchMatMul', { a: rows, b: h }, { transposeA: false, transposeB: transpose }),
  );
  return webgl.view(y, x.shape);
}
