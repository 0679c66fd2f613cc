import type {
  KernelBackend,
  NamedAttrMap,
  NamedTensorInfoMap,
  TensorInfo,
} from '@tensorflow/tfjs-core';
import { takeOver } from '../../common/takeOver.js';
import { InvalidArgumentError } from '../../numerics/errors.js';

/** What a kernel is told to read or write by. */
interface Indices {
  readonly argument: string;
  readonly indices: TensorInfo;
  /** How many numbers make an index. */
  readonly axes: number;
  /** What they count in. */
  readonly shape: readonly number[];
}

const KERNELS: Readonly<
  Record<string, (inputs: NamedTensorInfoMap, attrs: NamedAttrMap) => Indices>
> = {
  GatherNd: ({ params, indices }) => {
    const axes = indices!.shape.at(-1) ?? 0;
    return { argument: 'indices', indices: indices!, axes, shape: params!.shape };
  },
  ScatterNd: ({ indices }, { shape }) => scattered('indices', indices!, shape as number[]),
  TensorScatterUpdate: ({ indices, tensor }) => scattered('indices', indices!, tensor!.shape),
  SparseToDense: ({ sparseIndices }, { outputShape }) =>
    scattered('sparseIndices', sparseIndices!, outputShape as number[]),
};

/**
 * Makes kernels look at their indices, as the cpu's do: tfjs's read and write by wrong ones outside
 * of their tensors, in others or in what the allocator keeps.
 */
export function checkIndices(): void {
  for (const [kernelName, indicesOf] of Object.entries(KERNELS)) {
    takeOver(kernelName, 'wasm', (theirs) => (params) => {
      check(kernelName, params.backend as KernelBackend, indicesOf(params.inputs, params.attrs!));
      return theirs(params);
    });
  }
}

function scattered(argument: string, indices: TensorInfo, shape: readonly number[]): Indices {
  const axes = indices.shape.length > 1 ? indices.shape.at(-1)! : 1;
  return { argument, indices, axes, shape };
}

/** @throws InvalidArgumentError */
function check(
  op: string,
  backend: KernelBackend,
  { argument, indices, axes, shape }: Indices,
): void {
  // tfjs refuses them itself
  if (axes > shape.length) return;
  const values = backend.readSync(indices.dataId) as Int32Array;
  for (let i = 0; i < values.length; i++) {
    const axis = i % axes;
    if (values[i]! >= 0 && values[i]! < shape[axis]!) continue;
    const wanted = `from 0 to ${shape[axis]! - 1} along axis ${axis} of [${shape}]`;
    throw new InvalidArgumentError(op, argument, wanted, `${values[i]}`);
  }
}
