import type { KernelBackend } from '@tensorflow/tfjs-core';
import type { Life } from './life.js';

/** How often a read that waits asks whether there is something left to wait for (ms). */
const ASK_EVERY_MS = 50;

/** What a GPU backend knows of tensors' data. */
export interface DeviceData {
  /** Whether the numbers are in the page's memory, and nothing is read on the device. */
  readonly inMemory: (dataId: object) => boolean;
  /** Drops what tfjs keeps of a read that was too late. */
  readonly forget: (dataId: object) => void;
}

/**
 * Makes a backend's reads throw where its device is lost. tfjs's own give zeros then, and wait for
 * ever where they were begun before; by them go tensor.data(), kernels, and what moves tensors to
 * another backend. What is in the page's memory is read as ever.
 */
export function guardReads(
  backend: KernelBackend,
  life: Life,
  { inMemory, forget }: DeviceData,
): void {
  const { read, readSync } = backend;
  const check = (dataId?: object) => {
    if (!life.isLost()) return;
    if (dataId !== undefined) forget(dataId);
    throw life.error('tensor.data');
  };
  backend.readSync = (dataId) => {
    if (inMemory(dataId)) return readSync.call(backend, dataId);
    check();
    const values = orLost(life, () => readSync.call(backend, dataId));
    check(dataId);
    return values;
  };
  backend.read = async (dataId) => {
    if (inMemory(dataId)) return read.call(backend, dataId);
    check();
    try {
      return await untilLost(life, read.call(backend, dataId));
    } finally {
      await life.news();
      check(dataId);
    }
  };
}

/** What tfjs throws on a lost device speaks of shaders and textures. */
function orLost<T>(life: Life, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw life.isLost() ? life.error('tensor.data') : error;
  }
}

/** A promise that is given up where the device is lost, for it may never be kept then. */
async function untilLost<T>(life: Life, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setInterval> | undefined;
  const loss = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      if (life.isLost()) reject(life.error('tensor.data'));
    }, ASK_EVERY_MS);
  });
  try {
    return await Promise.race([promise, loss]);
  } finally {
    clearInterval(timer);
  }
}
