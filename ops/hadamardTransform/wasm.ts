import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { type WasmKernelArgs, wasmKernel } from '../wasm/kernel.js';
import { grainOf } from '../wasm/rows.js';
import { hadamardTransformOp } from './composite.js';
import type { HadamardTransformAttrs, HadamardTransformInputs } from './contract.js';
import { wasmHadamardPlan } from './wasmPlan.js';

/**
 * Blocks shorter than this are transformed several at a time (elements): a row of them still fits
 * in L1.
 */
const ROW_LENGTH = 1024;

export const hadamardTransformWasm = wasmKernel(hadamardTransformOp, hadamardTransformOnWasm);

/** Row by row in L1: one pass over memory. */
export function hadamardTransformOnWasm({
  inputs: { x },
  attrs: { transpose, blockSize },
  module,
}: WasmKernelArgs<HadamardTransformInputs, HadamardTransformAttrs>): TensorInfo {
  const size = util.sizeFromShape(x.shape);
  const plan = wasmHadamardPlan(module, blockSize, transpose);
  const length = blockSize * Math.max(plan.blocks, Math.floor(ROW_LENGTH / blockSize));
  const out = module.output(x.shape, 'float32');
  const args = [module.addressOf(x), module.addressOf(out), size, length, plan.address];
  const options = { grain: grainOf(length), scratchBytes: plan.tempBytes };
  module.run('hadamardTransform', args, Math.ceil(size / length), options);
  return out;
}
