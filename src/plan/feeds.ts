import {
  dispose,
  keep,
  type NamedTensorMap,
  type Tensor,
  type TensorInfo,
  type TypedArray,
} from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError, NotRecordableError } from '../../ops/numerics/errors.js';
import { bytesOfShape, encoderOf, type WebgpuBackend } from '../../ops/webgpu/backend.js';
import { withFloats } from '../../ops/webgpu/floats.js';
import { inScope } from '../../ops/webgpu/kernel.js';
import { tensorOn } from './outputs.js';

/** What a plan reads its inputs from: tensors on the GPU, which each run fills anew. */
export class Feeds {
  /** By the name of the node. */
  private readonly tensors = new Map<string, Tensor>();

  /** @param like Tensors by the names of nodes, which tell shapes and dtypes. */
  constructor(
    private readonly backend: WebgpuBackend,
    op: string,
    like: ReadonlyMap<string, Tensor>,
  ) {
    for (const [name, { shape, dtype }] of like) {
      if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') {
        throw new NotRecordableError(op, `the input ${name} is of dtype ${dtype}`);
      }
      const info = backend.makeTensorInfo([...shape], dtype);
      backend.uploadToGPU(info.dataId);
      this.tensors.set(name, keep(tensorOn(backend, info)));
    }
  }

  /** The tensors, for `execute`. */
  named(): NamedTensorMap {
    return Object.fromEntries(this.tensors);
  }

  all(): Tensor[] {
    return [...this.tensors.values()];
  }

  buffers(): GPUBuffer[] {
    return this.all().map((tensor) => this.bufferOf(tensor)!);
  }

  /**
   * Puts values into them, in the order of the backend's commands.
   * @throws InvalidArgumentError for inputs of other names, shapes or dtypes.
   */
  fill(op: string, inputs: ReadonlyMap<string, Tensor>): void {
    this.check(op, inputs);
    for (const [name, tensor] of inputs) this.copy(tensor, this.tensors.get(name)!);
  }

  dispose(): void {
    dispose(this.all());
    this.tensors.clear();
  }

  private check(op: string, inputs: ReadonlyMap<string, Tensor>): void {
    for (const [name, { shape, dtype }] of this.tensors) {
      const got = inputs.get(name);
      const wanted = `${dtype} of shape [${shape}], as recorded`;
      const wayOut = 'Make a plan for other inputs.';
      if (got === undefined) {
        throw new InvalidArgumentError(op, `inputs.${name}`, wanted, 'none', wayOut);
      }
      if (got.dtype === dtype && `${got.shape}` === `${shape}`) continue;
      const is = `${got.dtype} of shape [${got.shape}]`;
      throw new InvalidArgumentError(op, `inputs.${name}`, wanted, is, wayOut);
    }
    for (const name of inputs.keys()) {
      if (this.tensors.has(name)) continue;
      const wanted = `those recorded (${[...this.tensors.keys()].join(', ')})`;
      throw new InvalidArgumentError(op, 'inputs', wanted, `one for ${describe(name)}`);
    }
  }

  private copy(from: Tensor, to: Tensor): void {
    const { backend } = this;
    const target = this.bufferOf(to)!;
    const bytes = bytesOfShape(to.shape);
    if (bytes === 0) return;
    const { values, resource } = backend.tensorMap.get(from.dataId);
    if (resource == null && values != null) {
      // earlier runs are submitted: they have read what they were given
      const bits = to.dtype === 'float32' ? Float32Array : Int32Array;
      backend.queue.writeBuffer(target, 0, bits.from(values as TypedArray));
      return;
    }
    // tfjs's cast from integers shares their memory
    const source = inScope(backend, 'plan.run', (webgpu) =>
      webgpu.share(withFloats(webgpu, { from }).from),
    ) as TensorInfo;
    backend.uploadToGPU(source.dataId);
    encoderOf(backend).copyBufferToBuffer(this.bufferOf(source)!, 0, target, 0, bytes);
    // what is disposed of meanwhile keeps its buffer until that is submitted
    backend.commandQueueOwnedIds.add(source.dataId);
    backend.disposeData(source.dataId);
  }

  private bufferOf({ dataId }: TensorInfo): GPUBuffer | undefined {
    return (this.backend.tensorMap.get(dataId).resource ?? undefined) as GPUBuffer | undefined;
  }
}
