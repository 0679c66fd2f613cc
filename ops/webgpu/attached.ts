import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { TensorData, WebgpuBackend } from './backend.js';

/** What was derived from a tensor's data, newest first. */
const derived = new WeakMap<TensorData, readonly Derived[]>();

interface Derived {
  readonly key: string;
  readonly info: TensorInfo;
}

/** As many as tfjs disposes of together with a tensor: the two halves of complex numbers. */
const MOST = 2;

/** What was derived from a tensor's data by a key; undefined where nothing was, or not any more. */
export function findAttached(
  backend: WebgpuBackend,
  { dataId }: TensorInfo,
  key: string,
): TensorInfo | undefined {
  const known = derived.get(backend.tensorMap.get(dataId));
  return known?.find((entry) => entry.key === key)?.info;
}

/**
 * Keeps what was derived from a tensor's data on the GPU for the next call; it is disposed of
 * together with the data.
 *
 * tfjs has no hook for that but the two halves of complex numbers, so that the two newest keys are
 * kept. They show as data ids of the backend, not as tensors.
 *
 * @param key What is derived: the same key, the same result.
 */
export function attach(
  backend: WebgpuBackend,
  { dataId }: TensorInfo,
  key: string,
  info: TensorInfo,
): void {
  const data = backend.tensorMap.get(dataId);
  const all = [{ key, info }, ...(derived.get(data) ?? [])];
  for (const old of all.splice(MOST)) backend.disposeData(old.info.dataId);
  derived.set(data, all);
  // where there is one alone, the other half is data that no backend has
  const imag = all[1]?.info ?? { ...info, dataId: {} };
  data.complexTensorInfos = { real: info, imag };
}
