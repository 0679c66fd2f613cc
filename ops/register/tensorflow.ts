import { channelCenterNode } from '../channelCenter/node.js';
import { registerKernelOnce } from '../common/kernel.js';
import { fakeQuantNode } from '../fakeQuant/node.js';
import { hadamardTransformNode } from '../hadamardTransform/node.js';

registerKernelOnce(hadamardTransformNode);
registerKernelOnce(channelCenterNode);
registerKernelOnce(fakeQuantNode);
