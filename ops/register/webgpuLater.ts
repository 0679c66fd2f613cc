import { env } from '@tensorflow/tfjs-core';
import { registerKernelOnce, standInKernel } from '../common/kernel.js';
import { loadWithBackend } from '../common/withBackend.js';
import { OPS } from '../index.js';
import { DOT4_FLAG, QUICK_FLAG } from '../webgpu/flag.js';

// set before the kernels come, or after
env().registerFlag(DOT4_FLAG, () => true);
env().registerFlag(QUICK_FLAG, () => true);

// every op has one: until then they stand for it, so that what asks is told of it
for (const { composedKernel } of OPS) registerKernelOnce(standInKernel(composedKernel('webgpu')));

// a fourth of the package, for those only who choose the backend
loadWithBackend('webgpu', async () => {
  await import('./webgpu.js');
});
