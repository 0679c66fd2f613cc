import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { centerRows } from '../webgpu/centering.js';
import { codesFromWords, paddedRows, wordsShape } from '../webgpu/codes.js';
import { transformed } from '../webgpu/hadamard.js';
import { factorsOf, isSpelled } from '../webgpu/hadamardStages.js';
import { type WebgpuKernelArgs, webgpuKernel } from '../webgpu/kernel.js';
import { ENOUGH_GROUPS } from '../webgpu/limits.js';
import { partialSums } from '../webgpu/means.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import { floatBits } from '../webgpu/wgsl.js';
import { hadaNormQuantizeOp } from './composite.js';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';
import { type MeanParts, meanParts, offRows } from './webgpuMeans.js';
import { quantizeQuestion } from './webgpuQuestion.js';
import { type QuantizeSpec, quantizeShader } from './webgpuShader.js';

type Args = WebgpuKernelArgs<HadaNormQuantizeInputs, HadaNormQuantizeAttrs>;

/**
 * Sums over tokens, the means and what the basis takes of them, then one pass that centers, scales,
 * rotates and quantizes. Codes exist as words that products load, until somebody else looks.
 *
 * Rows that workgroup memory does not hold, and matrices with a large factor of Paley's, are
 * centered and rotated before, and quantized from memory.
 */
export const hadaNormQuantizeWebgpu = webgpuKernel<HadaNormQuantizeInputs, HadaNormQuantizeAttrs>(
  hadaNormQuantizeOp,
  {
    run: hadaNormQuantizeOnWebgpu,
    question: quantizeQuestion(hadaNormQuantizeOnWebgpu),
  },
);

function hadaNormQuantizeOnWebgpu({ inputs, attrs, webgpu }: Args): TensorInfo[] {
  const { x, mean, scale, basis, mask } = inputs;
  const { center, blockSize, format } = attrs;
  const d = x.shape[x.shape.length - 1]!;
  const outputs = makeOutputs(webgpu, x.shape, attrs);
  const dynamic = center === 'dynamic';
  const parts = dynamic
    ? meanParts(webgpu, partialSums(webgpu, x, mask), { mean, scale, basis })
    : null;
  const subtracted = parts?.info ?? (center === 'static' ? mean : undefined);
  const source = { x, mean: subtracted, scale, parts };
  const spec = specFor(d, attrs, source);
  const fits = isSpelled(factorsOf(blockSize)) && webgpu.whyNot(quantizeShader, spec) === null;
  if (fits) quantizeRows(webgpu, spec, { ...source, basis }, attrs, outputs);
  else quantizeFromMemory(webgpu, { ...source, basis }, attrs, outputs);
  const codes = codesFromWords(webgpu, outputs.words, x.shape, format.bits);
  const { scales, zeroPoints, residual } = outputs;
  const all = [codes, scales, zeroPoints];
  if (residual !== null) all.push(residual);
  if (parts?.coefficients != null) all.push(parts.coefficients);
  return all;
}

interface Outputs {
  readonly words: TensorInfo;
  readonly scales: TensorInfo;
  readonly zeroPoints: TensorInfo;
  readonly residual: TensorInfo | null;
}

/** What is quantized: (x − mean) / scale, and the means themselves. */
interface Source {
  readonly x: TensorInfo;
  readonly mean: TensorInfo | undefined; // [d], or `parts`
  readonly scale: TensorInfo | undefined;
  readonly parts: MeanParts | null;
  readonly basis?: TensorInfo | undefined;
}

function makeOutputs(
  webgpu: WebgpuScope,
  shape: readonly number[],
  { format, center }: HadaNormQuantizeAttrs,
): Outputs {
  const d = shape[shape.length - 1]!;
  const rows = util.sizeFromShape([...shape]) / d;
  const groups = [...shape.slice(0, -1), Math.ceil(d / format.granularity.groupSize)];
  const samples = util.sizeFromShape(shape.slice(0, -2));
  return {
    words: webgpu.make(wordsShape(rows, d), 'int32'),
    scales: webgpu.make(groups),
    zeroPoints: webgpu.make(groups),
    residual: center === 'dynamic' ? webgpu.make([samples, d]) : null,
  };
}

/** Channels that a workgroup takes at a time, in several rows where these are short. */
const MOST_CHANNELS = 4800;
function specFor(
  d: number,
  { format, blockSize, range, center }: HadaNormQuantizeAttrs,
  { x, mean, scale, parts }: Source,
): QuantizeSpec {
  const all = util.sizeFromShape(x.shape) / d;
  const enough = (count: number) => Math.ceil(all / count) >= ENOUGH_GROUPS;
  const rows = [4, 2].find((count) => count * d <= MOST_CHANNELS && enough(count)) ?? 1;
  return {
    d,
    blockSize,
    rows,
    invocations: rows * d >= 1024 ? 256 : rows * d >= 256 ? 128 : 64,
    groupSize: format.granularity.groupSize,
    bits: format.bits,
    codes: format.codes,
    ranged: range !== null,
    mean: mean === undefined ? 'none' : center === 'dynamic' ? 'parts' : 'one',
    scale: scale !== undefined,
    memory: false,
    residual: parts !== null,
    basis: parts?.coefficients != null,
  };
}

function quantizeRows(
  webgpu: WebgpuScope,
  spec: QuantizeSpec,
  { x, mean, scale, parts, basis }: Source,
  { range }: HadaNormQuantizeAttrs,
  { words, scales, zeroPoints, residual }: Outputs,
): void {
  const rows = util.sizeFromShape(x.shape) / spec.d;
  const tokens = x.shape[x.shape.length - 2]!;
  const samples = rows / tokens;
  const rowGroups = Math.ceil(rows / spec.rows);
  const meanGroups = spec.residual ? Math.ceil(samples / spec.rows) : 0;
  const offs = spec.basis ? parts!.rest! : undefined;
  webgpu.run(quantizeShader, spec, {
    reads: [x, mean, scale, offs].filter((one) => one !== undefined),
    writes: [words, scales, zeroPoints, ...(spec.residual ? [residual!] : [])],
    sizes: [
      ...[rows, paddedRows(rows), tokens, samples, basis?.shape[0] ?? 0, rowGroups],
      ...[floatBits(Math.min(range?.min ?? 0, 0)), floatBits(Math.max(range?.max ?? 0, 0))],
    ],
    groups: rowGroups + meanGroups,
  });
}

/** Centers and rotates by programs of their own, and quantizes what these left in memory. */
function quantizeFromMemory(
  webgpu: WebgpuScope,
  source: Source,
  attrs: HadaNormQuantizeAttrs,
  outputs: Outputs,
): void {
  const { x, mean, scale, parts } = source;
  const { blockSize } = attrs;
  const d = x.shape[x.shape.length - 1]!;
  const centered = centerRows(webgpu, { x, mean, scale });
  const rotated = transformed(webgpu, centered, blockSize, false);
  if (parts !== null) {
    transformed(webgpu, offRows(webgpu, parts, d), blockSize, false, outputs.residual!);
  }
  const plain = { x: rotated, mean: undefined, scale: undefined, parts: null };
  const spec = { ...specFor(d, attrs, plain), blockSize: 0, rows: 1, memory: true };
  quantizeRows(webgpu, spec, plain, attrs, outputs);
}
