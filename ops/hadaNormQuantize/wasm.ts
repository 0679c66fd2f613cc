import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { type WasmHadamardPlan, wasmHadamardPlan } from '../hadamardTransform/wasmPlan.js';
import { codeOffset, codeRange, hasZeroPoint } from '../numerics/formats.js';
import { type WasmKernelArgs, wasmKernel } from '../wasm/kernel.js';
import type { WasmModule } from '../wasm/module.js';
import { rowScratchBytes, writeQuantizedRows } from '../wasm/records.js';
import { columnMeans } from '../wasm/rows.js';
import { hadaNormQuantizeOp } from './composite.js';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';

const NO_PLAN: WasmHadamardPlan = { address: 0, tempBytes: 0 };

export const hadaNormQuantizeWasm = wasmKernel(hadaNormQuantizeOp, hadaNormQuantizeOnWasm);

/** Everything to a token while it is in L1; codes are a byte each. */
export function hadaNormQuantizeOnWasm({
  inputs,
  attrs,
  module,
}: WasmKernelArgs<HadaNormQuantizeInputs, HadaNormQuantizeAttrs>): TensorInfo[] {
  const { x, basis } = inputs;
  const { blockSize, format, center } = attrs;
  const [tokens, d] = x.shape.slice(-2) as [number, number];
  const samples = util.sizeFromShape(x.shape) / (tokens * d);
  const groups = [...x.shape.slice(0, -1), Math.ceil(d / format.granularity.groupSize)];
  const outputs = [
    module.output(x.shape, 'bool'),
    module.output(groups, 'float32'),
    module.output(groups, 'float32'),
  ];
  const plan = blockSize === 0 ? NO_PLAN : wasmHadamardPlan(module, blockSize, false);
  const means = center === 'dynamic' ? module.scratch(4 * samples * d) : 0;
  if (means !== 0) {
    columnMeans(module, x, means);
    outputs.push(module.output([samples, d], 'float32'));
    if (basis !== undefined) outputs.push(module.output([samples, basis.shape[0]!], 'float32'));
    writeMeanParts(module, inputs, means, plan, outputs);
  }
  quantizeRows(module, inputs, attrs, { means, plan, samples, outputs });
  return outputs;
}

/** residual and coefficients. */
function writeMeanParts(
  module: WasmModule,
  inputs: HadaNormQuantizeInputs,
  means: number,
  plan: WasmHadamardPlan,
  [, , , residual, coefficients]: readonly TensorInfo[],
): void {
  const { mean, scale, basis } = inputs;
  const [samples, d] = residual!.shape as [number, number];
  const rank = basis?.shape[0] ?? 0;
  const args = [
    means,
    module.addressIfAny(mean),
    module.addressIfAny(scale),
    module.addressIfAny(basis),
    rank,
    plan.address,
    d,
    module.addressIfAny(residual),
    module.addressIfAny(coefficients),
  ];
  module.run('meanParts', args, samples, { scratchBytes: plan.tempBytes });
}

interface Prepared {
  readonly means: number;
  readonly plan: WasmHadamardPlan;
  readonly samples: number;
  readonly outputs: readonly TensorInfo[];
}

function quantizeRows(
  module: WasmModule,
  { x, scale, mean }: HadaNormQuantizeInputs,
  { format, range, center }: HadaNormQuantizeAttrs,
  { means, plan, samples, outputs }: Prepared,
): void {
  const [tokens, d] = x.shape.slice(-2) as [number, number];
  const { qMin, qMax } = codeRange(format);
  const [codes, scales, zeroPoints] = outputs.map((output) => module.addressOf(output));
  const record = writeQuantizedRows(module, {
    x: module.addressOf(x),
    tokens,
    d,
    means: center === 'static' ? module.addressIfAny(mean) : means,
    meanStride: center === 'dynamic' ? d : 0,
    scale: module.addressIfAny(scale),
    plan: plan.address,
    groupSize: format.granularity.groupSize,
    isStatic: range === null ? 0 : 1,
    min: Math.min(range?.min ?? 0, 0),
    max: Math.max(range?.max ?? 0, 0),
    qMin,
    qMax,
    symmetric: hasZeroPoint(format) ? 0 : 1,
    offset: codeOffset(format),
    codes: codes!,
    scales: scales!,
    zeroPoints: zeroPoints!,
  });
  const scratchBytes = rowScratchBytes(d, plan.tempBytes);
  module.run('hadaNormQuantize', [record], samples * tokens, { grain: 8, scratchBytes });
}
