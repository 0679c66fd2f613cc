import { add, type Tensor } from '@tensorflow/tfjs-core';
import { runOp } from '../common/kernel.js';
import { activate } from './activations.js';
import { productAlong, quantizedMatMulOp } from './composite.js';
import type { QuantizedMatMulAttrs, QuantizedMatMulInputs } from './contract.js';

/** The product by the op's own kernel, and a narrow one beside it, before the activation. */
export function productBeside(inputs: QuantizedMatMulInputs, attrs: QuantizedMatMulAttrs): Tensor {
  const nothing = { along: undefined, directionWeights: undefined, directionScale: undefined };
  const own = runOp<QuantizedMatMulInputs, QuantizedMatMulAttrs, Tensor>(
    quantizedMatMulOp,
    { ...inputs, ...nothing },
    { ...attrs, activation: 'none' },
  );
  return activate(add(own, productAlong(inputs, own.shape)), attrs.activation);
}
