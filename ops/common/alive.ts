/**
 * The door to tensors' values. A GPU can take the device of a backend away at any time: tfjs then
 * gives zeros, or waits for ever. What reads or computes goes through here, and throws.
 */
import {
  type DataTypeMap,
  engine,
  type KernelBackend,
  type NumericDataType,
  type Tensor,
} from '@tensorflow/tfjs-core';
import { type Life, lifeOf } from './life.js';

/**
 * @throws WebglContextLostError, WebgpuDeviceLostError where the device of the current backend is
 * lost, or of one that has a tensor.
 */
export function checkBackends(op: string, tensors: Iterable<Tensor | undefined> = []): void {
  const { backendName, registry } = engine();
  checkBackend(op, registry[backendName]);
  for (const tensor of tensors) if (tensor !== undefined) checkBackend(op, ownerOf(tensor));
}

/** Runs what computes with tensors; the error is a typed one where the device was lost. */
export function whileAlive<T>(
  op: string,
  tensors: readonly (Tensor | undefined)[],
  run: () => T,
): T {
  checkBackends(op, tensors);
  try {
    return run();
  } catch (error) {
    checkBackends(op, tensors);
    throw error;
  }
}

/**
 * The same for what takes its time, checked behind it too: what it gave is of a device that was
 * there until the end. It disposes of what it made by itself.
 */
export async function throughout<T>(
  op: string,
  tensors: readonly (Tensor | undefined)[],
  run: () => T | Promise<T>,
): Promise<T> {
  checkBackends(op, tensors);
  try {
    return await run();
  } finally {
    await stillAlive(op, tensors);
  }
}

/** As `checkBackends`, of losses too that only the browser knows of so far. */
export async function stillAlive(
  op: string,
  tensors: readonly (Tensor | undefined)[] = [],
): Promise<void> {
  const { backendName, registry } = engine();
  const given = tensors.map((tensor) => tensor && ownerOf(tensor));
  for (const backend of new Set([registry[backendName], ...given])) {
    await lifeIn(backend)?.news();
    checkBackend(op, backend);
  }
}

/** Whether a backend by this name is there and has lost its device. */
export function isBackendLost(name: string): boolean {
  return lifeIn(engine().registry[name])?.isLost() ?? false;
}

/** `tensor.dataSync()` of a device that is there. @throws As `checkBackends`. */
export function valuesOf<D extends keyof DataTypeMap = NumericDataType>(
  op: string,
  tensor: Tensor,
): DataTypeMap[D] {
  return whileAlive(op, [tensor], () => {
    const values = tensor.dataSync<D>();
    checkBackends(op, [tensor]);
    return values;
  });
}

/** `tensor.data()` of a device that is there until the values have come. */
export function fetchValues<D extends keyof DataTypeMap = NumericDataType>(
  op: string,
  tensor: Tensor,
): Promise<DataTypeMap[D]> {
  return throughout(op, [tensor], () => tensor.data<D>());
}

/** Whether the current backend is to be read by `fetchValues` alone, for `valuesOf` stalls. */
export function readsLater(): boolean {
  const { backendName, registry } = engine();
  return lifeIn(registry[backendName])?.readsLater ?? false;
}

/**
 * Waits for the values of tensors of such a backend, so that `valuesOf` finds them in memory.
 * Elsewhere there is nothing to wait for.
 */
export async function bringToHost(op: string, tensors: Iterable<Tensor>): Promise<void> {
  for (const tensor of tensors) {
    if (tensor.isDisposed || tensor.dtype === 'string') continue;
    if (lifeIn(ownerOf(tensor))?.readsLater) await fetchValues(op, tensor);
  }
}

function checkBackend(op: string, backend: KernelBackend | undefined): void {
  const life = lifeIn(backend);
  if (life?.isLost()) throw life.error(op);
}

function lifeIn(backend: KernelBackend | undefined): Life | null {
  return backend === undefined ? null : lifeOf(backend);
}

/** The backend that has a tensor's data, current or not; undefined for a disposed tensor. */
function ownerOf({ dataId }: Tensor): KernelBackend | undefined {
  return engine().state.tensorInfo.get(dataId)?.backend;
}
