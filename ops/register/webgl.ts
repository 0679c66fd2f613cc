import { env } from '@tensorflow/tfjs-core';
import { channelCenterWebgl } from '../channelCenter/webgl.js';
import { kernelsImported } from '../common/imported.js';
import { registerKernelOnce } from '../common/kernel.js';
import { registerLife } from '../common/life.js';
import { fakeQuantWebgl } from '../fakeQuant/webgl.js';
import { hadamardTransformWebgl } from '../hadamardTransform/webgl.js';
import { hadaNormQuantizeWebgl } from '../hadaNormQuantize/webgl.js';
import { quantizedMatMulWebgl } from '../quantizedMatMul/webgl.js';
import { UNROUNDED_BYTES_FLAG } from '../webgl/bytes.js';
import { webglLife } from '../webgl/life.js';

env().registerFlag(UNROUNDED_BYTES_FLAG, () => true);

registerLife(webglLife);
kernelsImported('webgl');

registerKernelOnce(hadamardTransformWebgl);
registerKernelOnce(channelCenterWebgl);
registerKernelOnce(fakeQuantWebgl);
registerKernelOnce(hadaNormQuantizeWebgl);
registerKernelOnce(quantizedMatMulWebgl);
