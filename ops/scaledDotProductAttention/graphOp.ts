import type { Tensor } from '@tensorflow/tfjs-core';
import {
  type GraphOpNode,
  namedInputs,
  nodeAttrs,
  numberParam,
  present,
} from '../common/graphOp.js';
import { type AttentionOptions, attentionContract, layoutsOf } from './contract.js';
import { scaledDotProductAttention } from './op.js';

/**
 * NodeDef `ScaledDotProductAttention`: inputs q, k, v, then the mask if hasMask (b); attributes
 * qLayout, kLayout, vLayout, outputLayout (s), scale (f). Output y.
 */
export function attentionGraphOp(node: GraphOpNode): Tensor {
  const op = attentionContract.kernelName;
  const { q, k, v, mask } = namedInputs(attentionContract, node);
  const layouts = layoutsOf(nodeAttrs(op, node));
  const options = present<AttentionOptions>({ scale: numberParam(op, node, 'scale'), mask });
  return scaledDotProductAttention(q!, k!, v!, { ...options, layouts });
}
