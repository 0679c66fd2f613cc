import { engine } from '@tensorflow/tfjs-core';
import { initializedBackend } from '../ops/common/kernel.js';
import { backendLoaded } from '../ops/common/withBackend.js';
import { UnsupportedDeviceError } from '../ops/numerics/errors.js';

/**
 * Waits until the kernels for WebGPU are loaded, and have given known answers on this adapter.
 *
 * They are asked when the backend is set up or first used. Until the answers are there (GPUs are
 * read asynchronously), ops run as compositions of tfjs ops: right, and slower. Kernels that answer
 * wrongly are not used at all, and the console says which. On another backend there is nothing to
 * wait for.
 *
 * @throws UnsupportedDeviceError where the current backend is a WebGPU that did not start: there is
 * no adapter, and `tf.setBackend` gave false.
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
  if (isWithoutAdapter()) {
    const wayOut = "Choose another backend: await tf.setBackend('wasm').";
    throw new UnsupportedDeviceError('webgpuReady', 'a WebGPU adapter', 'none here', wayOut);
  }
  await backendLoaded('webgpu');
  const { webgpuReady } = await import('../ops/webgpu/ready.js');
  await webgpuReady();
}

/** Whether tfjs names a backend that it could not start, and is not about to. */
function isWithoutAdapter(): boolean {
  const { backendName, pendingBackendInit } = engine() as object as StartingEngine;
  return (
    backendName === 'webgpu' &&
    initializedBackend('webgpu') === undefined &&
    (pendingBackendInit ?? null) === null
  );
}

/** The parts of tfjs-core 4.22's engine that know of it. */
interface StartingEngine {
  readonly backendName: string | undefined;
  readonly pendingBackendInit: Promise<unknown> | null | undefined;
}
