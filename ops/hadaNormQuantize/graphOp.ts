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
 * mask if hasMask (all b); attributes bits, groupSize and blockSize (i), symmetric (b), centre (s:
 * none, static or dynamic), rangeMin and rangeMax (f). Outputs codes (`name`), scale (`name:1`),
 * zero point (`name:2`), where center is dynamic residual (`name:3`), and with a basis coefficients
 * (`name:4`).
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
  });
  const { quantized, residual, coefficients } = hadaNormQuantize(x!, options);
  const { codes, scale, zeroPoint } = quantized;
  return [codes, scale, zeroPoint, residual, coefficients].filter((output) => output !== null);
}
