import { channelCenterCpu } from '../channelCenter/cpu.js';
import { registerKernelOnce } from '../common/kernel.js';
import { fakeQuantCpu } from '../fakeQuant/cpu.js';
import { hadamardTransformCpu } from '../hadamardTransform/cpu.js';
import { hadaNormQuantizeCpu } from '../hadaNormQuantize/cpu.js';
import { layerNormCpu } from '../modulatedLayerNorm/cpu.js';
import { quantizedMatMulCpu } from '../quantizedMatMul/cpu.js';
import { attentionCpu } from '../scaledDotProductAttention/cpu.js';

registerKernelOnce(hadamardTransformCpu);
registerKernelOnce(channelCenterCpu);
registerKernelOnce(fakeQuantCpu);
registerKernelOnce(hadaNormQuantizeCpu);
registerKernelOnce(quantizedMatMulCpu);
registerKernelOnce(attentionCpu);
registerKernelOnce(layerNormCpu);
