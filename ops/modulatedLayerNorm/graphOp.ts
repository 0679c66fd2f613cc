import type { Tensor } from '@tensorflow/tfjs-core';
import {
  boolParam,
  dataInputs,
  type GraphOpNode,
  numberParam,
  present,
} from '../common/graphOp.js';
import { type LayerNormOptions, layerNormContract } from './contract.js';
import { modulatedLayerNorm } from './op.js';

/** The optional inputs in their order, and the attributes that say whether they are there. */
const OPTIONAL = [
  ['gamma', 'hasGamma'],
  ['beta', 'hasBeta'],
  ['factor', 'hasFactor'],
  ['shift', 'hasShift'],
] as const;

/**
 * NodeDef `ModulatedLayerNorm`: inputs x, then gamma if hasGamma, beta if hasBeta, factor if
 * hasFactor, shift if hasShift (all b); attributes epsilon (f), center (b). Output y.
 */
export function layerNormGraphOp(node: GraphOpNode): Tensor {
  const op = layerNormContract.kernelName;
  const names = OPTIONAL.filter(([, has]) => boolParam(op, node, has) === true).map(
    ([name]) => name,
  );
  const [x, ...given] = dataInputs(op, node, 1 + names.length);
  const options = present<LayerNormOptions>({
    epsilon: numberParam(op, node, 'epsilon'),
    center: boolParam(op, node, 'center'),
  });
  const modulation = Object.fromEntries(names.map((name, i) => [name, given[i]!]));
  return modulatedLayerNorm(x!, { ...options, ...modulation });
}
