import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { TensorData, WebgpuBackend } from './backend.js';
import { lazyInfo } from './lazy.js';

/** What is not computed yet: programs that need more than that do it on their way. */
export type Deferred =
  /** x · gate: one row of it for so many consecutive rows of x. */
  | { readonly kind: 'gated'; readonly operands: readonly [x: TensorInfo, gate: TensorInfo] }
  /** x + branch, which is gated and deferred itself. */
  | { readonly kind: 'sum'; readonly operands: readonly [x: TensorInfo, branch: TensorInfo] }
  /** x + one number. */
  | {
      readonly kind: 'more';
      readonly operands: readonly [x: TensorInfo, number: TensorInfo];
      readonly more: number;
    }
  /** `width` columns of x, [rows, stride], from `at` on. */
  | {
      readonly kind: 'part';
      readonly operands: readonly [x: TensorInfo];
      readonly at: number;
      readonly width: number;
      readonly stride: number;
    };

interface Waiting {
  readonly deferred: Deferred;
  /** How many are computed one in another, when somebody looks. */
  readonly depth: number;
}

const waiting = new WeakMap<TensorData, Waiting>();

/** More would fill the stack. */
const MOST_DEPTH = 64;

/** Whether what is computed of these may wait too. */
export function mayWait(backend: WebgpuBackend, operands: readonly TensorInfo[]): boolean {
  return operands.every((one) => depthOf(backend, one) < MOST_DEPTH);
}

function depthOf(backend: WebgpuBackend, { dataId }: TensorInfo): number {
  return waiting.get(backend.tensorMap.get(dataId))?.depth ?? 0;
}

/** A tensor as it is now: a variable has other data once it is assigned. */
export function infoOf({ dataId, shape, dtype }: TensorInfo): TensorInfo {
  return { dataId, shape, dtype };
}

/**
 * A float32 tensor that is computed when somebody looks at it, or as a by-product of another
 * program. Its operands, which are infos of their own (`infoOf`), live until then, or until it is
 * disposed of.
 * @param make Computes it in the same backend; what it gives is taken.
 */
export function defer(
  backend: WebgpuBackend,
  shape: readonly number[],
  deferred: Deferred,
  make: () => TensorInfo,
): TensorInfo {
  const info = lazyInfo(backend, shape, 'float32', () => {
    const made = make();
    letGo(backend, info);
    return made;
  });
  for (const { dataId } of deferred.operands) backend.incRef(dataId);
  const data = backend.tensorMap.get(info.dataId);
  const depth = 1 + Math.max(...deferred.operands.map((one) => depthOf(backend, one)));
  waiting.set(data, { deferred, depth });
  // disposed of together with it: tfjs has no other hook for that, and knows no data by this id
  const [real, imag = { ...real, dataId: {} }] = deferred.operands;
  data.complexTensorInfos = { real, imag };
  return info;
}

/** What a tensor will be; undefined for one that is there. */
export function deferredOf(backend: WebgpuBackend, { dataId }: TensorInfo): Deferred | undefined {
  return waiting.get(backend.tensorMap.get(dataId))?.deferred;
}

/** A tensor is there now: its buffer is that of `made`, which is disposed of without it. */
export function fulfil(backend: WebgpuBackend, info: TensorInfo, made: TensorInfo): void {
  const from = backend.tensorMap.get(made.dataId);
  const data = backend.tensorMap.get(info.dataId);
  data.resource = from.resource;
  from.resource = null;
  // recorded programs write it
  backend.commandQueueOwnedIds.add(info.dataId);
  backend.disposeData(made.dataId);
  letGo(backend, info);
}

function letGo(backend: WebgpuBackend, { dataId }: TensorInfo): void {
  const data = backend.tensorMap.get(dataId);
  const deferred = waiting.get(data)?.deferred;
  if (deferred === undefined) return;
  waiting.delete(data);
  delete data.complexTensorInfos;
  for (const { dataId: id } of deferred.operands) backend.disposeData(id);
}
