import { keep, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { type Weight, type WeightSpec, weightOf, weightsFromTensors } from './weights.js';

/** What a new weight's values are kept in says its dtype: bool is tfjs's only one a byte wide. */
export type Values = Float32Array | Int32Array | Uint8Array;

export type Dtype = 'float32' | 'int32' | 'bool';

export function dtypeOf(values: Values): Dtype {
  if (values instanceof Float32Array) return 'float32';
  return values instanceof Int32Array ? 'int32' : 'bool';
}

/** A weight that the caller's array does not change any more. */
export function weightOfValues(spec: WeightSpec, values: Values): Weight {
  const own = values.slice();
  const plain = spec.quantization === undefined;
  // its very bytes: a whole model's weights need no third copy
  return plain ? { spec, values: () => own, bytes: () => own.buffer } : weightOf(spec, own);
}

/** A weight that is a tensor of the current backend, kept until somebody disposes it. */
export function weightOnBackend(
  spec: WeightSpec,
  values: Values,
): { readonly weight: Weight; readonly made: Tensor } {
  const { name, shape, dtype } = spec;
  const made = keep(tensor(values, shape, dtype as Dtype));
  return { weight: weightsFromTensors([spec], { [name]: [made] }).get(name)!, made };
}
