import { wasmKernel } from '../wasm/kernel.js';
import { hadamardTransformOp } from './op.js';
import { wasmHadamardPlan } from './wasmPlan.js';

/** Blocks shorter than this are transformed several at a time (elements): a row of them still fits in L1. */
const ROW_LENGTH = 1024;

export const hadamardTransformWasm = wasmKernel(
  hadamardTransformOp,
  ({ inputs: { x }, attrs: { transpose, blockSize }, module }) => {
    const size = x.shape.reduce((product, dim) => product * dim, 1);
    const length = blockSize * Math.max(1, Math.floor(ROW_LENGTH / blockSize));
    const plan = wasmHadamardPlan(module, blockSize, transpose);
    const out = module.output(x.shape, 'float32');
    const args = [module.addressOf(x), module.addressOf(out), size, length, plan.address];
    const options = { grain: 16, scratchBytes: plan.tempBytes };
    module.run('hadamardTransform', args, Math.ceil(size / length), options);
    return out;
  },
);
