import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';

/** What tfjs-backend-webgpu knows of a tensor's data. */
export interface TensorData {
  dtype: DataType;
  shape: number[];
  refCount: number;
  /** On the host; null when they are on the GPU alone. */
  values?: unknown;
  /** Null until the data is uploaded. */
  resource?: unknown;
  /** Data that is disposed of with this. tfjs has it for the two halves of complex numbers. */
  complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
}

/** What hands buffers out, and takes them again when tensors are disposed of. */
export interface BufferManager {
  acquireBuffer(size: number, usage: number, mapped?: boolean, reuse?: boolean): GPUBuffer;
  /** @param reuse Whether it is kept for the next who asks, or destroyed. Default true. */
  releaseBuffer(buffer: GPUBuffer, reuse?: boolean): void;
}

/**
 * The parts of tfjs-backend-webgpu 4.22 that kernels use. They record into its command encoder and
 * compute pass, as `runWebGPUProgram` does, so that tfjs's own programs and these stand in one
 * order, and are submitted together.
 */
export interface WebgpuBackend {
  readonly device: GPUDevice;
  readonly queue: GPUQueue;
  readonly bufferManager: BufferManager;
  readonly tensorMap: {
    get(dataId: object): TensorData;
    has(dataId: object): boolean;
  };
  /** Data that recorded commands read or write: its buffer must wait for their submission. */
  readonly commandQueueOwnedIds: WeakSet<object>;
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  /** There while `tf.time` or `tf.profile` runs. */
  readonly activeTimers?: { name: string; query: Promise<number> }[] | null;
  readonly supportTimestampQuery: boolean;
  querySet: GPUQuerySet | null;
  readonly querySetCount: number;
  getQueryTime(): Promise<number>;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  makeTensorInfo(shape: readonly number[], dtype: DataType, values?: unknown): TensorInfo;
  /** Gives the data a buffer, and its values where they are on the host. */
  uploadToGPU(dataId: object): void;
  disposeData(dataId: object, force?: boolean): boolean;
  incRef(dataId: object): void;
  read(dataId: object): Promise<ArrayLike<number>>;
  readSync(dataId: object): ArrayLike<number>;
}

/** The encoder of what the backend records next, without an open pass. */
export function encoderOf(backend: WebgpuBackend): GPUCommandEncoder {
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  return backend.commandEncoder!;
}

/** Submits what the backend has recorded so far. */
export function submit(backend: WebgpuBackend): void {
  encoderOf(backend);
  backend.submitQueue();
}

/** Members without which kernels cannot run: another version of the backend may lack them. */
const NEEDED = [
  ...['device', 'queue', 'tensorMap', 'commandQueueOwnedIds', 'ensureCommandEncoderReady'],
  ...['endComputePassEncoder', 'submitQueue', 'makeTensorInfo', 'uploadToGPU', 'disposeData'],
] as const;

/** Why kernels cannot run on a backend that calls itself webgpu; null where they can. */
export function whyNoDoor(backend: object): string | null {
  const missing = NEEDED.find((member) => !(member in backend));
  return missing === undefined ? null : `this tfjs-backend-webgpu has no ${missing}`;
}

/** Bytes of a tensor's buffer: every dtype takes four an element. */
export function bytesOfShape(shape: readonly number[]): number {
  let bytes = 4;
  // at every binding of every program: reduce takes several times as long
  for (const length of shape) bytes *= length;
  return bytes;
}
