import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { TextureData, WebglBackend } from './backend.js';

/** Texels' bytes that constants may take together on a GPU. */
const MOST_BYTES = 2 ** 26;

interface Resident {
  readonly info: TensorInfo;
  readonly data: TextureData;
  readonly bytes: number;
}

/** The one used last comes last. */
const residents = new WeakMap<WebglBackend, Map<string, Resident>>();

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
  const known = residents.get(backend) ?? new Map<string, Resident>();
  residents.set(backend, known);
  const { info, data, bytes } = known.get(key) ?? made(backend, shape, make);
  known.delete(key);
  backend.texData.set(info.dataId, data);
  try {
    return body(info);
  } finally {
    backend.texData.delete(info.dataId);
    known.set(key, { info, data, bytes });
    trim(backend, known);
  }
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

function trim(backend: WebglBackend, known: Map<string, Resident>): void {
  let total = [...known.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  for (const [key, { info, data, bytes }] of known) {
    if (total <= MOST_BYTES) break;
    known.delete(key);
    total -= bytes;
    backend.texData.set(info.dataId, data);
    backend.disposeIntermediateTensorInfo(info);
  }
}
