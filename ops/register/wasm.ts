import { registerKernelOnce } from '../common/kernel.js';
import { hadamardTransformWasm } from '../hadamardTransform/wasm.js';
import { quantizedMatMulWasm } from '../quantizedMatMul/wasm.js';

registerKernelOnce(hadamardTransformWasm);
registerKernelOnce(quantizedMatMulWasm);
