import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import type { GroupedFormat } from '../numerics/formats.js';
import { type WasmKernelArgs, wasmKernel, wasmKernelBeside } from '../wasm/kernel.js';
import type { WasmModule } from '../wasm/module.js';
import { segmentsOf } from '../wasm/segments.js';
import { quantizedMatMulOp } from './composite.js';
import { groupSizeOf, type QuantizedMatMulAttrs, type QuantizedMatMulInputs } from './contract.js';
import { floatProduct, integerProduct } from './wasmProduct.js';
import type { BesideArgs, CodeArgs, ProductArgs } from './wasmProductArgs.js';

export const quantizedMatMulWasm = wasmKernelBeside(
  wasmKernel(quantizedMatMulOp, quantizedMatMulOnWasm, ({ d, format, xFormat }) =>
    xFormat.kind === 'float32' ||
    segmentsOf(d, groupSizeOf(format, d), groupSizeOf(xFormat, d)) !== null
      ? null
      : 'integer kernels for wasm need groups of a multiple of 4',
  ),
);

/**
 * Integers where x is codes; a float32 product by weights that are unpacked a panel at a time where
 * it is not.
 */
export function quantizedMatMulOnWasm({
  inputs,
  attrs,
  module,
}: WasmKernelArgs<QuantizedMatMulInputs, QuantizedMatMulAttrs>): TensorInfo {
  const { x } = inputs;
  const out = module.output([...x.shape.slice(0, -1), attrs.n], 'float32');
  const args = productArgs(module, inputs, attrs, out);
  const { xFormat } = attrs;
  if (xFormat.kind === 'float32') {
    floatProduct(module, args, module.addressOf(x));
    return out;
  }
  const codes = codeArgs(module, inputs, xFormat);
  if (!integerProduct(module, args, codes)) {
    floatProduct(module, args, dequantized(module, codes, args));
  }
  return out;
}

function productArgs(
  module: WasmModule,
  inputs: QuantizedMatMulInputs,
  { format, d, n, activation }: QuantizedMatMulAttrs,
  out: TensorInfo,
): ProductArgs {
  const { x, residual, basis } = inputs;
  const leading = x.shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
  const samples = residual === undefined && basis === undefined ? 1 : leading;
  return {
    codes: module.addressIfAny(inputs.codes),
    format,
    scale: module.addressIfAny(inputs.scale),
    k: d,
    n,
    tokens: util.sizeFromShape(x.shape) / d,
    samples,
    residual: module.addressIfAny(residual),
    coefficients: coefficientsOf(module, inputs, samples),
    basis: module.addressIfAny(basis),
    rank: basis?.shape[0] ?? 0,
    bias: module.addressIfAny(inputs.bias),
    beside: besideArgs(module, inputs),
    activation,
    out: module.addressOf(out),
  };
}

function besideArgs(
  module: WasmModule,
  { along, directionWeights, directionScale }: QuantizedMatMulInputs,
): BesideArgs | null {
  if (along === undefined || directionWeights === undefined) return null;
  return {
    along: module.addressOf(along),
    rank: along.shape.at(-1)!,
    directions: module.addressOf(directionWeights),
    scale: module.addressIfAny(directionScale),
    rows: directionWeights.shape[0]!,
  };
}

/**
 * [samples, rows of the basis]: each coefficient times the scale of its rows, of which it may have
 * two.
 */
function coefficientsOf(
  module: WasmModule,
  { coefficients, basis, basisScale }: QuantizedMatMulInputs,
  samples: number,
): number {
  if (coefficients === undefined || basis === undefined) return 0;
  if (basisScale === undefined) return module.addressOf(coefficients);
  const rows = basis.shape[0]!;
  const rank = coefficients.shape[1]!;
  const to = module.scratch(4 * samples * rows);
  const from = [coefficients, basisScale].map((tensor) => module.addressOf(tensor) / 4);
  const floats = new Float32Array(module.memory.buffer);
  for (let s = 0; s < samples; s++) {
    for (let i = 0; i < rows; i++) {
      const c = floats[from[0]! + s * rank + (i < rank ? i : i - rank)]!;
      floats[to / 4 + s * rows + i] = c * floats[from[1]! + i]!;
    }
  }
  return to;
}

function codeArgs(
  module: WasmModule,
  { x, xScale, xZeroPoint }: QuantizedMatMulInputs,
  format: GroupedFormat,
): CodeArgs {
  return {
    codes: byteCodes(module, x),
    scale: module.addressOf(xScale!),
    zeroPoint: module.addressOf(xZeroPoint!),
    format,
  };
}

/** Codes a byte each; other backends make them int32. */
function byteCodes(module: WasmModule, x: TensorInfo): number {
  const from = module.addressOf(x);
  if (x.dtype === 'bool') return from;
  const size = util.sizeFromShape(x.shape);
  const to = module.scratch(size);
  module.run('narrowCodes', [from, to], size, { grain: 4096 });
  return to;
}

/** scale · (code − zeroPoint), float32 [tokens, k]. */
function dequantized(module: WasmModule, x: CodeArgs, { tokens, k }: ProductArgs): number {
  const to = module.scratch(4 * tokens * k);
  const args = [x.codes, x.scale, x.zeroPoint, k, x.format.granularity.groupSize, to];
  module.run('dequantizeRows', args, tokens, { grain: 8 });
  return to;
}
