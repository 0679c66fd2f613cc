import type { Tensor } from '@tensorflow/tfjs-core';
import {
  boolParam,
  type GraphOpNode,
  namedInputs,
  nodeAttrs,
  numberParam,
  present,
  rangeParam,
} from '../common/graphOp.js';
import { centerAttr, type HadaNormQuantizeOptions, hadaNormQuantizeContract } from './contract.js';
import { hadaNormQuantize } from './op.js';

/**
 * NodeDef `HadaNormQuantize`: inputs x, then scale if hasScale, mean if hasMean, basis if hasBasis,
 * mask if hasMask, directions if hasDirections (all b); attributes bits, groupSize and blockSize
 * (i), symmetric and subtract (b), centre (s: none, static or dynamic), rangeMin and rangeMax (f).
 * Outputs codes (`name`), scale (`name:1`), zero point (`name:2`), where center is dynamic residual
 * (`name:3`), with a basis coefficients (`name:4`), and with directions what goes along them, last.
 */
export function hadaNormQuantizeGraphOp(node: GraphOpNode): Tensor[] {
  const op = hadaNormQuantizeContract.kernelName;
  const { x, ...given } = namedInputs(hadaNormQuantizeContract, node);
  const options = present<HadaNormQuantizeOptions>({
    bits: numberParam(op, node, 'bits'),
    symmetric: boolParam(op, node, 'symmetric'),
    groupSize: numberParam(op, node, 'groupSize'),
    range: rangeParam(op, node, numberParam),
    // hadaNormQuantize itself says what else there is
    center: centerAttr(nodeAttrs(op, node)) as HadaNormQuantizeOptions['center'],
    ...given,
    blockSize: numberParam(op, node, 'blockSize'),
    subtract: boolParam(op, node, 'subtract'),
  });
  const { quantized, residual, coefficients, along } = hadaNormQuantize(x!, options);
  const { codes, scale, zeroPoint } = quantized;
  const outputs = [codes, scale, zeroPoint, residual, coefficients, along];
  return outputs.filter((output) => output !== null);
}
