import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { type WasmHadamardPlan, wasmHadamardPlan } from '../hadamardTransform/wasmPlan.js';
import { codeOffset, codeRange, hasZeroPoint } from '../numerics/formats.js';
import { type WasmKernelArgs, wasmKernel, wasmKernelBeside } from '../wasm/kernel.js';
import type { WasmModule } from '../wasm/module.js';
import { alongScratchBytes, rowScratchBytes, writeQuantizedRows } from '../wasm/records.js';
import { columnMeans, grainOf } from '../wasm/rows.js';
import { hadaNormQuantizeOp } from './composite.js';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';
import { type DirectionFields, directionFields, NO_DIRECTIONS } from './wasmDirections.js';

const NO_PLAN: WasmHadamardPlan = { address: 0, tempBytes: 0, blocks: 1 };

export const hadaNormQuantizeWasm = wasmKernelBeside(
  wasmKernel(hadaNormQuantizeOp, hadaNormQuantizeOnWasm),
);

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
    columnMeans(module, x, inputs.mask, means);
    outputs.push(module.output([samples, d], 'float32'));
    if (basis !== undefined) outputs.push(module.output([samples, basis.shape[0]!], 'float32'));
    writeMeanParts(module, inputs, means, plan, outputs);
  }
  const rows = {
    x: module.addressOf(x),
    means: center === 'static' ? module.addressIfAny(inputs.mean) : means,
    meanStride: center === 'dynamic' ? d : 0,
    scale: module.addressIfAny(inputs.scale),
    plan,
  };
  const prepared = preparedRows(module, rows, x.shape, blockSize);
  const along = besideRows(module, inputs, attrs, outputs);
  quantizeRows(module, { ...prepared, along }, attrs, x.shape, outputs);
  return outputs;
}

/** What goes along directions, the last output; the residual is the one behind the codes. */
function besideRows(
  module: WasmModule,
  { x, directions }: HadaNormQuantizeInputs,
  attrs: HadaNormQuantizeAttrs,
  outputs: TensorInfo[],
): DirectionFields {
  if (directions === undefined) return NO_DIRECTIONS;
  const residual = outputs[3];
  const along = module.output([...x.shape.slice(0, -1), directions.shape[1]!], 'float32');
  outputs.push(along);
  return directionFields(module, directions, attrs, along, residual);
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

/** Where the rows are that are quantized, and what is still to be done to them. */
interface Rows {
  readonly x: number; // f32 [samples · tokens, d]
  readonly means: number; // [samples, d], or [d] where its stride is 0; or 0
  readonly meanStride: number;
  readonly scale: number; // [d], or 0
  readonly plan: WasmHadamardPlan;
}

/**
 * The rows as they are or, for a matrix of which kernels take more blocks at a time than a token
 * has, centered and rotated before: token by token most lanes would work in vain. The bits are the
 * same.
 */
function preparedRows(
  module: WasmModule,
  rows: Rows,
  shape: readonly number[],
  blockSize: number,
): Rows {
  const { plan, means, scale, meanStride } = rows;
  const [tokens, d] = shape.slice(-2) as [number, number];
  const size = util.sizeFromShape([...shape]);
  const length = plan.blocks * blockSize;
  if (length <= d || size === d) return rows;
  const to = module.scratch(4 * size);
  let from = rows.x;
  if (means !== 0 || scale !== 0) {
    const sharing = meanStride === 0 ? size / d : tokens;
    const args = [from, to, means, scale, sharing, d];
    module.run('centerRows', args, size / d, { grain: grainOf(d) });
    from = to;
  }
  const args = [from, to, size, length, plan.address];
  const options = { grain: grainOf(length), scratchBytes: plan.tempBytes };
  module.run('hadamardTransform', args, Math.ceil(size / length), options);
  return { x: to, means: 0, meanStride: 0, scale: 0, plan: NO_PLAN };
}

function quantizeRows(
  module: WasmModule,
  { plan, along, ...rows }: Rows & { readonly along: DirectionFields },
  { format, range }: HadaNormQuantizeAttrs,
  shape: readonly number[],
  outputs: readonly TensorInfo[],
): void {
  const [tokens, d] = shape.slice(-2) as [number, number];
  const { qMin, qMax } = codeRange(format);
  const [codes, scales, zeroPoints] = outputs.map((output) => module.addressOf(output));
  const record = writeQuantizedRows(module, {
    ...rows,
    tokens,
    d,
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
    ...along,
  });
  const count = util.sizeFromShape([...shape]) / d;
  if (along.rank === 0) {
    const scratchBytes = rowScratchBytes(d, plan.tempBytes);
    module.run('hadaNormQuantize', [record], count, { grain: 8, scratchBytes });
    return;
  }
  const scratchBytes = alongScratchBytes(d, along.paddedRank, plan.tempBytes);
  module.run('hadaNormQuantizeAlong', [record], count, { grain: 8, scratchBytes });
}
