import { registerKernelOnce } from '../common/kernel.js';
import { hadamardTransformWasm } from '../hadamardTransform/wasm.js';

registerKernelOnce(hadamardTransformWasm);
