import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type WasmKernelArgs, wasmKernel } from '../wasm/kernel.js';
import { grainOf } from '../wasm/rows.js';
import { layerNormOp } from './composite.js';
import { type LayerNormAttrs, type LayerNormInputs, rowsPerModulation } from './contract.js';

export const layerNormWasm = wasmKernel(layerNormOp, layerNormOnWasm);

/** The kernel on a module, by itself for tests that bring their own memory. */
export function layerNormOnWasm({
  inputs,
  attrs,
  module,
}: WasmKernelArgs<LayerNormInputs, LayerNormAttrs>): TensorInfo {
  const { x, gamma, beta, factor, shift } = inputs;
  const d = x.shape[x.shape.length - 1]!;
  const rows = x.shape.slice(0, -1).reduce((product, dim) => product * dim, 1);
  const out = module.output(x.shape, 'float32');
  const args = [
    ...[
      module.addressIfAny(x),
      module.addressIfAny(out),
      d,
      module.addressIfAny(gamma),
      module.addressIfAny(beta),
    ],
    ...[module.addressIfAny(factor), rowsPerModulation(x, factor)],
    ...[module.addressIfAny(shift), rowsPerModulation(x, shift)],
    ...[attrs.epsilon, attrs.center ? 1 : 0],
  ];
  const floatAt = args.length - 2;
  module.run('layerNorm', args, rows, { grain: grainOf(d), floatAt });
  return out;
}
