import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { WebgpuBackend } from './backend.js';

/**
 * A tensor whose buffer is made when somebody looks at it: what kernels hand to each other in their
 * own order need not lie on the GPU a second time, in tfjs's.
 * @param make Makes it in the same backend, from what is attached to it; what it gives is taken.
 */
export function lazyInfo(
  backend: WebgpuBackend,
  shape: readonly number[],
  dtype: DataType,
  make: (self: TensorInfo) => TensorInfo,
): TensorInfo {
  const info = backend.makeTensorInfo([...shape], dtype);
  const data = backend.tensorMap.get(info.dataId);
  let resource: unknown = null;
  Object.defineProperty(data, 'resource', {
    configurable: true,
    enumerable: true,
    get: () => {
      // tfjs looks at what it disposes of too, without references by then
      if (resource === null && data.refCount > 0) resource = take(backend, make(info));
      return resource;
    },
    set: (given: unknown) => {
      resource = given;
    },
  });
  return info;
}

/** Whether a tensor's buffer is there already, without making it. */
export function isOnGpu(backend: WebgpuBackend, { dataId }: TensorInfo): boolean {
  const data = backend.tensorMap.get(dataId);
  const own = Object.getOwnPropertyDescriptor(data, 'resource');
  return own?.get !== undefined || (data.resource !== undefined && data.resource !== null);
}

/** The buffer of a tensor, which is disposed of without it. */
function take(backend: WebgpuBackend, { dataId }: TensorInfo): unknown {
  const data = backend.tensorMap.get(dataId);
  const { resource } = data;
  data.resource = null;
  backend.disposeData(dataId);
  return resource;
}
