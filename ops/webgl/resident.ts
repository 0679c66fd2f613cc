import type { TensorInfo } from '@tensorflow/tfjs-core';
import { BoundedMap } from '../numerics/boundedMap.js';
import type { TextureData, WebglBackend } from './backend.js';

/** Texels' bytes that constants may take together on a GPU. */
const MOST_BYTES = 2 ** 26;

interface Resident {
  readonly info: TensorInfo;
  readonly data: TextureData;
  readonly bytes: number;
}

const residents = new WeakMap<WebglBackend, BoundedMap<string, Resident>>();

/**
 * Runs `body` with a constant matrix that stays on the GPU for the next call, unless there are too
 * many. Between calls the backend does not count it among its data, which are the caller's.
 */
export function withResident<T>(
  backend: WebglBackend,
  key: string,
  shape: readonly [rows: number, columns: number],
  make: () => Float32Array,
  body: (matrix: TensorInfo) => T,
): T {
  const { info, data } = residentsOf(backend).get(key, () => made(backend, shape, make));
  backend.texData.set(info.dataId, data);
  try {
    return body(info);
  } finally {
    backend.texData.delete(info.dataId);
  }
}

function residentsOf(backend: WebglBackend): BoundedMap<string, Resident> {
  const known = residents.get(backend);
  if (known !== undefined) return known;
  const drop = ({ info, data }: Resident) => {
    backend.texData.set(info.dataId, data);
    backend.disposeIntermediateTensorInfo(info);
  };
  const map = new BoundedMap<string, Resident>(MOST_BYTES, ({ bytes }) => bytes, drop);
  residents.set(backend, map);
  return map;
}

function made(
  backend: WebglBackend,
  shape: readonly [number, number],
  make: () => Float32Array,
): Resident {
  const info = backend.makeTensorInfo(shape, 'float32', make());
  const data = backend.texData.get(info.dataId);
  backend.texData.delete(info.dataId);
  return { info, data, bytes: 4 * shape[0] * shape[1] };
}
