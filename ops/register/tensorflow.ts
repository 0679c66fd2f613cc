import { channelCenterNode } from '../channelCenter/node.js';
import { registerKernelOnce } from '../common/kernel.js';
import { fakeQuantNode } from '../fakeQuant/node.js';
import { hadamardTransformNode } from '../hadamardTransform/node.js';
import { quantizedMatMulNode } from '../quantizedMatMul/node.js';

registerKernelOnce(hadamardTransformNode);
registerKernelOnce(channelCenterNode);
registerKernelOnce(fakeQuantNode);
registerKernelOnce(quantizedMatMulNode);
