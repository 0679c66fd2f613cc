import type { Tensor } from '@tensorflow/tfjs-core';
import { boolParam, type GraphOpNode, inputsOf, namedInputs, present } from '../common/graphOp.js';
import { InvalidArgumentError } from '../numerics/errors.js';
import { type ChannelCenterOptions, channelCenterContract } from './contract.js';
import { channelCenter } from './op.js';

/**
 * NodeDef `ChannelCenter`: inputs x, then scale if hasScale (b), mean if hasMean (b), mask if
 * hasMask (b). Outputs centered (`name`) and mean (`name:1`). A node with more than one input must
 * have one of the attributes: nothing else tells scale, mean, mask and control inputs apart.
 */
export function channelCenterGraphOp(node: GraphOpNode): Tensor[] {
  const op = channelCenterContract.kernelName;
  const flags = ['hasScale', 'hasMean', 'hasMask'].map((flag) => boolParam(op, node, flag));
  if (flags.every((flag) => flag === undefined) && node.inputs.length > 1) {
    const wayOut = 'Set hasScale, hasMean and hasMask to say what the further inputs are.';
    throw new InvalidArgumentError(op, inputsOf(node), 'x alone', `${node.inputs.length}`, wayOut);
  }
  const { x, ...given } = namedInputs(channelCenterContract, node);
  const { centered, mean } = channelCenter(x!, present<ChannelCenterOptions>(given));
  return [centered, mean];
}
