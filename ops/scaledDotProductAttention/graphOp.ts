import type { Tensor } from '@tensorflow/tfjs-core';
import {
  boolParam,
  dataInputs,
  type GraphOpNode,
  numberParam,
  present,
  stringParam,
} from '../common/graphOp.js';
import { type AttentionOptions, attentionContract } from './contract.js';
import { scaledDotProductAttention } from './op.js';

/**
 * NodeDef `ScaledDotProductAttention`: inputs q, k, v, then the mask if hasMask (b); attributes
 * qLayout, kLayout, vLayout, outputLayout (s), scale (f). Output y.
 */
export function attentionGraphOp(node: GraphOpNode): Tensor {
  const op = attentionContract.kernelName;
  const hasMask = boolParam(op, node, 'hasMask') === true;
  const [q, k, v, mask] = dataInputs(op, node, hasMask ? 4 : 3);
  const layouts = present<NonNullable<AttentionOptions['layouts']>>({
    q: stringParam(op, node, 'qLayout'),
    k: stringParam(op, node, 'kLayout'),
    v: stringParam(op, node, 'vLayout'),
    output: stringParam(op, node, 'outputLayout'),
  });
  const options = present<AttentionOptions>({ scale: numberParam(op, node, 'scale'), mask });
  return scaledDotProductAttention(q!, k!, v!, { ...options, layouts });
}
