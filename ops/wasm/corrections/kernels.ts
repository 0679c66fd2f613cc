import { correctGathers } from './gathers.js';
import { checkIndices } from './indices.js';

/** Corrects tfjs-backend-wasm 4.22's own kernels, where it is there: docs/tfjs-wasm-bugs.md. */
export function correctKernels(): void {
  correctGathers();
  checkIndices();
}
