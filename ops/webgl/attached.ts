import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { TextureData, WebglBackend } from './backend.js';

/** What was derived from a tensor's data, newest first. */
const derived = new WeakMap<TextureData, readonly Derived[]>();

interface Derived {
  readonly key: string;
  readonly info: TensorInfo;
}

/** As many as tfjs disposes of together with a tensor: the two halves of complex numbers. */
const MOST = 2;

/**
 * What `make` derives from a tensor, kept on the GPU for the next call and disposed of together
 * with the tensor's data.
 *
 * tfjs has no hook for that but the two halves of complex numbers, so that the two newest keys are
 * kept. They show as data ids of the backend, not as tensors.
 *
 * @param key What is derived: the same key, the same result.
 */
export function attached(
  backend: WebglBackend,
  { dataId }: TensorInfo,
  key: string,
  make: () => TensorInfo,
): TensorInfo {
  const data = backend.texData.get(dataId);
  const known = derived.get(data) ?? [];
  const found = known.find((entry) => entry.key === key);
  if (found !== undefined) return found.info;
  const info = make();
  const all = [{ key, info }, ...known];
  for (const old of all.splice(MOST)) backend.disposeIntermediateTensorInfo(old.info);
  derived.set(data, all);
  // one alone stands for both: disposing of it twice is disposing of it once
  data.complexTensorInfos = { real: info, imag: all[all.length - 1]!.info };
  return info;
}
