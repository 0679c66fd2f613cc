import { env } from '@tensorflow/tfjs-core';
import { channelCenterWebgl } from '../channelCenter/webgl.js';
import { registerKernelOnce } from '../common/kernel.js';
import { fakeQuantWebgl } from '../fakeQuant/webgl.js';
import { hadamardTransformWebgl } from '../hadamardTransform/webgl.js';
import { hadaNormQuantizeWebgl } from '../hadaNormQuantize/webgl.js';
import { quantizedMatMulWebgl } from '../quantizedMatMul/webgl.js';
import { UNROUNDED_BYTES_FLAG } from '../webgl/bytes.js';

env().registerFlag(UNROUNDED_BYTES_FLAG, () => true);

registerKernelOnce(hadamardTransformWebgl);
registerKernelOnce(channelCenterWebgl);
registerKernelOnce(fakeQuantWebgl);
registerKernelOnce(hadaNormQuantizeWebgl);
registerKernelOnce(quantizedMatMulWebgl);
