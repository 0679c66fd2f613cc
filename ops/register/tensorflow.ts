import { channelCenterNode } from '../channelCenter/node.js';
import { kernelsImported } from '../common/imported.js';
import { registerKernelOnce } from '../common/kernel.js';
import { fakeQuantNode } from '../fakeQuant/node.js';
import { hadamardTransformNode } from '../hadamardTransform/node.js';
import { quantizedMatMulNode } from '../quantizedMatMul/node.js';

kernelsImported('tensorflow');

registerKernelOnce(hadamardTransformNode);
registerKernelOnce(channelCenterNode);
registerKernelOnce(fakeQuantNode);
registerKernelOnce(quantizedMatMulNode);
