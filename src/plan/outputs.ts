import {
  type DataType,
  engine,
  type KernelBackend,
  type Tensor,
  type TensorInfo,
  type TypedArray,
} from '@tensorflow/tfjs-core';
import { NotRecordableError } from '../../ops/numerics/errors.js';
import { bytesOfShape, encoderOf, type WebgpuBackend } from '../../ops/webgpu/backend.js';

interface What {
  readonly shape: readonly number[];
  readonly dtype: DataType;
  /** What is in memory: tfjs's cast from integers to float32 shares theirs. */
  readonly stored: DataType;
}

/** One output of a plan. */
export type Output =
  | (What & { readonly kind: 'onGpu'; readonly buffer: GPUBuffer })
  /** The same at each run, and never on the GPU. */
  | (What & { readonly kind: 'constant'; readonly values: TypedArray });

/** What a tensor says that a recorded run gave. */
export function outputOf(op: string, backend: WebgpuBackend, tensor: Tensor): Output {
  const { shape, dtype, dataId } = tensor;
  const { dtype: stored, resource, values } = backend.tensorMap.get(dataId);
  if (dtype === 'string' || dtype === 'complex64') {
    throw new NotRecordableError(op, `an output is of dtype ${dtype}`);
  }
  const what = { shape: [...shape], dtype, stored };
  if (resource != null) return { ...what, kind: 'onGpu', buffer: resource as GPUBuffer };
  return { ...what, kind: 'constant', values: (values as TypedArray).slice() };
}

/** A tensor of data that a backend has, whichever is the current one. */
export function tensorOn(backend: WebgpuBackend, info: TensorInfo): Tensor {
  return engine().makeTensorFromTensorInfo(info, backend as object as KernelBackend);
}

/** A tensor of its own with what is in an output, in the order of the backend's commands. */
export function delivered(backend: WebgpuBackend, output: Output): Tensor {
  const { shape, dtype, stored } = output;
  const info = backend.makeTensorInfo([...shape], stored);
  const data = backend.tensorMap.get(info.dataId);
  switch (output.kind) {
    case 'constant':
      data.values = output.values.slice();
      break;
    case 'onGpu':
      backend.uploadToGPU(info.dataId);
      encoderOf(backend).copyBufferToBuffer(
        output.buffer,
        0,
        data.resource as GPUBuffer,
        0,
        bytesOfShape(shape),
      );
      backend.commandQueueOwnedIds.add(info.dataId);
      break;
    default:
      output satisfies never;
  }
  return tensorOn(backend, { ...info, dtype });
}
