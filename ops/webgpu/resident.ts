import type { WebgpuBackend } from './backend.js';

const buffers = new WeakMap<WebgpuBackend, Map<string, GPUBuffer>>();

/**
 * A constant table that stays on the GPU. There are few and small ones: signs of Hadamard factors.
 */
export function residentBuffer(
  backend: WebgpuBackend,
  key: string,
  make: () => Uint32Array<ArrayBuffer>,
): GPUBuffer {
  const known = buffers.get(backend) ?? new Map<string, GPUBuffer>();
  buffers.set(backend, known);
  const found = known.get(key);
  if (found !== undefined) return found;
  const values = make();
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const buffer = backend.device.createBuffer({ size: values.byteLength, usage });
  backend.queue.writeBuffer(buffer, 0, values);
  known.set(key, buffer);
  return buffer;
}
