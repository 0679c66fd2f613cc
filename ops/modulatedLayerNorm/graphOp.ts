import type { Tensor } from '@tensorflow/tfjs-core';
import {
  boolParam,
  type GraphOpNode,
  namedInputs,
  numberParam,
  present,
} from '../common/graphOp.js';
import { type LayerNormOptions, layerNormContract } from './contract.js';
import { modulatedLayerNorm } from './op.js';

/**
 * NodeDef `ModulatedLayerNorm`: inputs x, then gamma if hasGamma, beta if hasBeta, factor if
 * hasFactor, shift if hasShift (all b); attributes epsilon (f), center (b). Output y.
 */
export function layerNormGraphOp(node: GraphOpNode): Tensor {
  const op = layerNormContract.kernelName;
  const { x, ...given } = namedInputs(layerNormContract, node);
  const options = present<LayerNormOptions>({
    epsilon: numberParam(op, node, 'epsilon'),
    center: boolParam(op, node, 'center'),
  });
  return modulatedLayerNorm(x!, { ...options, ...given });
}
