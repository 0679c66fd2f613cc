import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';

/** The parts of tfjs-node's backend ('tensorflow') that kernels use. */
export interface NodeBackend {
  readonly binding: {
    readonly TF_ATTR_BOOL: number;
    readonly TF_ATTR_TYPE: number;
    readonly TF_FLOAT: number;
    readonly TF_INT32: number;
  };
  /** Runs a TensorFlow op; the result belongs to the current tidy scope. */
  executeSingleOutput(name: string, attrs: NodeAttribute[], inputs: TensorInfo[]): Tensor;
}

/** An attribute of a TensorFlow op, as the native binding takes it. */
export interface NodeAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: number | boolean;
}
