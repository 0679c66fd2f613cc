import { channelCenterCpu } from '../channelCenter/cpu.js';
import { registerKernelOnce } from '../common/kernel.js';
import { fakeQuantCpu } from '../fakeQuant/cpu.js';
import { hadamardTransformCpu } from '../hadamardTransform/cpu.js';
import { quantizedMatMulCpu } from '../quantizedMatMul/cpu.js';

registerKernelOnce(hadamardTransformCpu);
registerKernelOnce(channelCenterCpu);
registerKernelOnce(fakeQuantCpu);
registerKernelOnce(quantizedMatMulCpu);
