import * as tf from '@tensorflow/tfjs';
import { openDawn } from '../../../scripts/provision/openDawn.js';

/** The parts of tfjs-backend-webgpu that reading takes. */
interface ReadingBackend {
  readonly tensorMap: { get(dataId: object): ReadingData };
  readonly device: GPUDevice;
  readonly commandEncoder: GPUCommandEncoder;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  readSync(dataId: object): ArrayLike<number>;
}
interface ReadingData {
  values?: tf.TypedArray | null;
  readonly resource: GPUBuffer;
  readonly dtype: tf.DataType;
  readonly complexTensorInfos?: { readonly real: tf.TensorInfo; readonly imag: tf.TensorInfo };
}

/**
 * Registers tfjs's WebGPU backend on Dawn, whose adapter is the machine's, or else a GPU in
 * software. Gives the reason where that cannot be.
 */
export function startDawn(): Promise<string | undefined> {
  started ??= start();
  return started;
}

let started: Promise<string | undefined> | undefined;

async function start(): Promise<string | undefined> {
  try {
    const callbacks = catchCallbacks();
    const missing = await openDawn();
    if (missing !== undefined) return missing;
    const { WebGPUBackend } = await import('@tensorflow/tfjs-backend-webgpu');
    readInStep(WebGPUBackend.prototype as object as ReadingBackend, callbacks);
    if (!(await tf.setBackend('webgpu'))) return 'tfjs-backend-webgpu does not start on Dawn';
    return undefined;
  } catch (error) {
    return `Dawn does not start: ${error}`;
  }
}

/** Dawn polls its queue in callbacks of setImmediate: those, to be called at other times too. */
function catchCallbacks(): (() => void)[] {
  const waiting: (() => void)[] = [];
  const later = globalThis.setImmediate;
  const caught = (callback: (...args: unknown[]) => void, ...args: unknown[]) => {
    const call = () => callback(...args);
    waiting.push(call);
    return later(() => {
      const at = waiting.indexOf(call);
      if (at < 0) return;
      waiting.splice(at, 1);
      call();
    });
  };
  globalThis.setImmediate = Object.assign(caught, later);
  return waiting;
}

/** Reads while it waits, which a canvas is for in browsers: tests look at tensors in step. */
function readInStep(prototype: object, callbacks: (() => void)[]): void {
  const readSync = function (this: ReadingBackend, dataId: object) {
    const data = this.tensorMap.get(dataId);
    if (data.values != null) return data.values;
    const { resource, dtype, complexTensorInfos } = data;
    if (dtype === 'complex64') {
      const { real, imag } = complexTensorInfos!;
      const [re, im] = [this.readSync(real.dataId), this.readSync(imag.dataId)];
      return Float32Array.from({ length: 2 * re.length }, (_, i) => (i % 2 ? im : re)[i >> 1]!);
    }
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const staging = this.device.createBuffer({ size: resource.size, usage });
    this.ensureCommandEncoderReady();
    this.endComputePassEncoder();
    this.commandEncoder.copyBufferToBuffer(resource, 0, staging, 0, resource.size);
    this.submitQueue();
    let failure: unknown;
    staging.mapAsync(GPUMapMode.READ).catch((error) => {
      failure = error;
    });
    const end = performance.now() + 60_000;
    while (staging.mapState === 'pending' && performance.now() < end) callbacks.shift()?.();
    if (staging.mapState !== 'mapped') throw failure ?? new Error('a buffer was not mapped');
    const bytes = staging.getMappedRange().slice(0);
    staging.destroy();
    data.values = dtype === 'float32' ? new Float32Array(bytes) : new Int32Array(bytes);
    if (dtype === 'bool') data.values = Uint8Array.from(data.values);
    return data.values;
  };
  Object.assign(prototype, { readSync });
}
