import {
  boolParam,
  dataInputs,
  type GraphOpNode,
  numberParam,
  present,
} from '../common/graphOp.js';
import { type HadamardTransformOptions, hadamardTransformContract } from './contract.js';
import { hadamardTransform } from './op.js';

/** NodeDef `HadamardTransform`: input x; attributes transpose (b), blockSize (i). Output y. */
export function hadamardTransformGraphOp(node: GraphOpNode) {
  const op = hadamardTransformContract.kernelName;
  const [x] = dataInputs(op, node, 1);
  return hadamardTransform(
    x!,
    present<HadamardTransformOptions>({
      transpose: boolParam(op, node, 'transpose'),
      blockSize: numberParam(op, node, 'blockSize'),
    }),
  );
}
