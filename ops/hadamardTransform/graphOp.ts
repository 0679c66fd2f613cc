import { boolAttr, dataInputs, type GraphOpNode, numberAttr, present } from '../common/graphOp.js';
import type { HadamardTransformOptions } from './contract.js';
import { hadamardTransform, hadamardTransformOp } from './op.js';

/** NodeDef `HadamardTransform`: input x; attributes transpose (b), blockSize (i). Output y. */
export function hadamardTransformGraphOp(node: GraphOpNode) {
  const op = hadamardTransformOp.kernelName;
  const [x] = dataInputs(op, node, 1);
  return hadamardTransform(
    x!,
    present<HadamardTransformOptions>({
      transpose: boolAttr(op, node, 'transpose'),
      blockSize: numberAttr(op, node, 'blockSize'),
    }),
  );
}
