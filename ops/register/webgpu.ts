import { env } from '@tensorflow/tfjs-core';
import { channelCenterWebgpu } from '../channelCenter/webgpu.js';
import { kernelsImported } from '../common/imported.js';
import { registerKernelOnce } from '../common/kernel.js';
import { registerLife } from '../common/life.js';
import { fakeQuantWebgpu } from '../fakeQuant/webgpu.js';
import { hadamardTransformWebgpu } from '../hadamardTransform/webgpu.js';
import { hadaNormQuantizeWebgpu } from '../hadaNormQuantize/webgpu.js';
import { layerNormWebgpu } from '../modulatedLayerNorm/webgpu.js';
import { quantizedMatMulWebgpu } from '../quantizedMatMul/webgpu.js';
import { attentionWebgpu } from '../scaledDotProductAttention/webgpu.js';
import { DOT4_FLAG, QUICK_FLAG } from '../webgpu/flag.js';
import { webgpuLife } from '../webgpu/life.js';

env().registerFlag(DOT4_FLAG, () => true);
env().registerFlag(QUICK_FLAG, () => true);

registerLife(webgpuLife);
kernelsImported('webgpu');

registerKernelOnce(hadamardTransformWebgpu);
registerKernelOnce(channelCenterWebgpu);
registerKernelOnce(fakeQuantWebgpu);
registerKernelOnce(hadaNormQuantizeWebgpu);
registerKernelOnce(quantizedMatMulWebgpu);
registerKernelOnce(attentionWebgpu);
registerKernelOnce(layerNormWebgpu);
