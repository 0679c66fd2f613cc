import { add, reshape, type Tensor } from '@tensorflow/tfjs-core';
import { runOp } from '../common/kernel.js';
import { activate } from './activations.js';
import { coarseProduct, quantizedMatMulOp } from './composite.js';
import type { Along, QuantizedMatMulAttrs, QuantizedMatMulInputs } from './contract.js';

/** The product by the op's own kernel, and a narrow one beside it, before the activation. */
export function productAlong(
  inputs: QuantizedMatMulInputs,
  attrs: QuantizedMatMulAttrs,
  { along, directionWeights, directionScale }: Along,
): Tensor {
  const own = runOp<QuantizedMatMulInputs, QuantizedMatMulAttrs, Tensor>(
    quantizedMatMulOp,
    inputs,
    { ...attrs, activation: 'none' },
  );
  const r = along.shape[along.rank - 1]!;
  const rows = reshape(along, [along.size / r, r]);
  const beside = reshape(coarseProduct(rows, directionWeights, directionScale), own.shape);
  return activate(add(own, beside), attrs.activation);
}
