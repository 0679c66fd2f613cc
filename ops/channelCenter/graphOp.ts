import type { Tensor } from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../common/errors.js';
import { boolAttr, dataInputs, type GraphOpNode, present } from '../common/graphOp.js';
import { type ChannelCenterOptions, channelCenter, channelCenterOp } from './op.js';

/**
 * NodeDef `ChannelCenter`: inputs x, then scale if hasScale (b), then mean if hasMean (b). Outputs centered (`name`) and
 * mean (`name:1`). Without the attributes one input is x alone, two are x and scale, three are x, scale and mean.
 */
export function channelCenterGraphOp(node: GraphOpNode): Tensor[] {
  const op = channelCenterOp.kernelName;
  const [x, ...rest] = dataInputs(op, node, 1, 3);
  const hasScale = boolAttr(op, node, 'hasScale') ?? rest.length > 0;
  const hasMean = boolAttr(op, node, 'hasMean') ?? rest.length > Number(hasScale);
  const expected = 1 + Number(hasScale) + Number(hasMean);
  if (rest.length + 1 !== expected) {
    const wanted = `${expected} tensors (hasScale ${hasScale}, hasMean ${hasMean})`;
    throw new InvalidArgumentError(op, 'inputs', wanted, `${rest.length + 1}`);
  }
  const options = present<ChannelCenterOptions>({
    scale: hasScale ? rest[0] : undefined,
    mean: hasMean ? rest[Number(hasScale)] : undefined,
  });
  const { centered, mean } = channelCenter(x!, options);
  return [centered, mean];
}
