import { backendLoaded } from '../ops/common/withBackend.js';

/**
 * Waits until the kernels for WebGPU are loaded, and have given known answers on this adapter.
 *
 * They are asked when the backend is set up or first used. Until the answers are there (GPUs are
 * read asynchronously), ops run as compositions of tfjs ops: right, and slower. Kernels that answer
 * wrongly are not used at all, and the console says which. Without a WebGPU backend there is
 * nothing to wait for.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { webgpuReady } from 'tfjs-hadanorm';
 *
 * // after: await tf.setBackend('webgpu');
 * await webgpuReady(); // from here on models run on the kernels
 * ```
 */
export async function webgpuReady(): Promise<void> {
  await backendLoaded('webgpu');
  const { webgpuReady } = await import('../ops/webgpu/ready.js');
  await webgpuReady();
}
