import { env } from '@tensorflow/tfjs-core';
import { channelCenterWasm } from '../channelCenter/wasm.js';
import { kernelsImported } from '../common/imported.js';
import { registerKernelOnce } from '../common/kernel.js';
import { fakeQuantWasm } from '../fakeQuant/wasm.js';
import { hadamardTransformWasm } from '../hadamardTransform/wasm.js';
import { hadaNormQuantizeWasm } from '../hadaNormQuantize/wasm.js';
import { layerNormWasm } from '../modulatedLayerNorm/wasm.js';
import { quantizedMatMulWasm } from '../quantizedMatMul/wasm.js';
import { attentionWasm } from '../scaledDotProductAttention/wasm.js';
import { correctKernels } from '../wasm/corrections/kernels.js';
import { RELAXED_SIMD_FLAG } from '../wasm/module.js';
import { watchTfjsThreads } from '../wasm/threads/tfjsThreads.js';

env().registerFlag(RELAXED_SIMD_FLAG, () => true);
kernelsImported('wasm');
watchTfjsThreads();
// where tfjs's backend comes after this package: when it is chosen
correctKernels();

registerKernelOnce(hadamardTransformWasm);
registerKernelOnce(channelCenterWasm);
registerKernelOnce(fakeQuantWasm);
registerKernelOnce(quantizedMatMulWasm);
registerKernelOnce(hadaNormQuantizeWasm);
registerKernelOnce(attentionWasm);
registerKernelOnce(layerNormWasm);
