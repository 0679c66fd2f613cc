import type { KernelFunc, TensorInfo, TypedArray } from '@tensorflow/tfjs-core';
import { takeOver } from '../common/takeOver.js';
import type { TensorData, WebgpuBackend } from './backend.js';
import { type Deferred, defer, deferredOf, infoOf, mayWait } from './deferred.js';
import { isOnGpu } from './lazy.js';

/** tfjs's own kernel on two tensors. */
type Binary = (a: TensorInfo, b: TensorInfo) => TensorInfo;

/**
 * Puts off what a transformer's layer norms can do on their way: a residual x + branch · gate, and
 * adaLN's 1 + scale. Whoever else looks finds what tfjs's own programs give.
 */
export function deferResiduals(): void {
  takeOverBinary('Multiply', (backend, a, b, theirs) => {
    const gated = gatedBy(backend, a, b) ?? gatedBy(backend, b, a);
    return gated && defer(backend, gated.operands[0].shape, gated, () => theirs(a, b));
  });
  takeOverBinary('Add', (backend, a, b, theirs) => {
    const sum = sumOf(backend, a, b) ?? sumOf(backend, b, a) ?? moreThan(backend, a, b);
    const deferred = sum ?? moreThan(backend, b, a);
    return deferred && defer(backend, deferred.operands[0].shape, deferred, () => theirs(a, b));
  });
}

function takeOverBinary(
  kernelName: string,
  deferring: (
    backend: WebgpuBackend,
    a: TensorInfo,
    b: TensorInfo,
    theirs: Binary,
  ) => TensorInfo | null,
): void {
  takeOver(kernelName, 'webgpu', (kernel: KernelFunc) => (params) => {
    const { a, b } = params.inputs as { a: TensorInfo; b: TensorInfo };
    const [left, right] = [infoOf(a), infoOf(b)];
    const backend = params.backend as WebgpuBackend;
    const theirs: Binary = (a, b) => kernel({ ...params, inputs: { a, b } }) as TensorInfo;
    if (!mayWait(backend, [left, right])) return kernel(params);
    return deferring(backend, left, right, theirs) ?? kernel(params);
  });
}

/** x · gate, where a row of the gate is for several of x, as [samples, 1, d] is. */
function gatedBy(backend: WebgpuBackend, x: TensorInfo, gate: TensorInfo): Deferred | null {
  const rank = x.shape.length;
  if (rank < 2 || gate.shape.length !== rank || !areRows(x.shape, gate.shape)) return null;
  return areFloats(backend, x, gate) ? { kind: 'gated', operands: [x, gate] } : null;
}

/** Leading axes of x, then ones, then its last. */
function areRows(shape: readonly number[], rows: readonly number[]): boolean {
  const last = shape.length - 1;
  let same = 0;
  while (same < last && rows[same] === shape[same]) same++;
  const ones = rows.slice(same, last);
  return ones.length > 0 && ones.every((length) => length === 1) && rows[last] === shape[last];
}

function sumOf(backend: WebgpuBackend, x: TensorInfo, branch: TensorInfo): Deferred | null {
  if (branch.dtype !== 'float32' || `${x.shape}` !== `${branch.shape}`) return null;
  const gated = deferredOf(backend, branch);
  if (gated?.kind !== 'gated' || `${gated.operands[0].shape}` !== `${x.shape}`) return null;
  return areFloats(backend, x) ? { kind: 'sum', operands: [x, branch] } : null;
}

/** Rows of channels for many tokens, and one number. */
function moreThan(backend: WebgpuBackend, x: TensorInfo, number: TensorInfo): Deferred | null {
  const { shape } = x;
  const isOne = number.dtype === 'float32' && number.shape.every((length) => length === 1);
  if (!isOne || number.shape.length > shape.length) return null;
  if (shape.length < 2 || shape.at(-2) !== 1 || shape.at(-1) === 1) return null;
  const more = numberOnHost(backend, number);
  if (more === null || !areFloats(backend, x)) return null;
  return { kind: 'more', operands: [x, number], more };
}

/** On the GPU, or soon, and floats in memory too: casts share it. */
function areFloats(backend: WebgpuBackend, ...infos: readonly TensorInfo[]): boolean {
  return infos.every(
    (info) =>
      info.dtype === 'float32' &&
      backend.tensorMap.get(info.dataId).dtype === 'float32' &&
      isOnGpu(backend, info) &&
      !info.shape.includes(0),
  );
}

/** Numbers that were seen on the host: they go when tfjs uploads them. */
const seen = new WeakMap<TensorData, number>();

function numberOnHost(backend: WebgpuBackend, { dataId }: TensorInfo): number | null {
  const data = backend.tensorMap.get(dataId);
  if (data.dtype !== 'float32') return null;
  const known = seen.get(data) ?? (data.values as TypedArray | null | undefined)?.[0];
  if (known === undefined) return null;
  seen.set(data, known);
  return known;
}
