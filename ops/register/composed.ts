import { registerKernelOnce } from '../common/kernel.js';
import { BACKENDS, OPS } from '../index.js';

// after the backends' own files, so that only the gaps are filled; any other backend gets its
// kernel at the first call
for (const { composedKernel } of OPS) {
  for (const backend of BACKENDS) registerKernelOnce(composedKernel(backend));
}
