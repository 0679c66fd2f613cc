import { env } from '@tensorflow/tfjs-core';
import { registerKernelOnce } from '../common/kernel.js';
import { hadamardTransformWasm } from '../hadamardTransform/wasm.js';
import { quantizedMatMulWasm } from '../quantizedMatMul/wasm.js';
import { RELAXED_SIMD_FLAG } from '../wasm/module.js';

env().registerFlag(RELAXED_SIMD_FLAG, () => true);

registerKernelOnce(hadamardTransformWasm);
registerKernelOnce(quantizedMatMulWasm);
