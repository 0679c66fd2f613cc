import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { withDirections } from '../common/directions.js';
import { centerRows } from '../webgpu/centering.js';
import { codesFromWords, paddedRows, wordsShape } from '../webgpu/codes.js';
import { transformed } from '../webgpu/hadamard.js';
import { factorsOf, isSpelled } from '../webgpu/hadamardStages.js';
import { type WebgpuKernelArgs, webgpuKernel } from '../webgpu/kernel.js';
import { partialSums } from '../webgpu/means.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import { floatBits } from '../webgpu/wgsl.js';
import { hadaNormQuantizeOp } from './composite.js';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';
import {
  type DirectionVectors,
  directionVectors,
  projectRows,
  rotatedDirections,
  whyNoRank,
} from './webgpuDirections.js';
import { type MeanParts, meanParts, offRows, takeBasis } from './webgpuMeans.js';
import { quantizeQuestion } from './webgpuQuestion.js';
import { quantizeShader, workgroupBytes } from './webgpuShader.js';
import { MOST_INVOCATIONS, type QuantizeSpec, rowsTogether } from './webgpuSpec.js';

type Args = WebgpuKernelArgs<HadaNormQuantizeInputs, HadaNormQuantizeAttrs>;

/**
 * Sums over tokens, the means and what the basis takes of them, then one pass that centers, scales,
 * rotates and quantizes. Codes exist as words that products load, until somebody else looks.
 *
 * Rows that workgroup memory does not hold, and matrices with a large factor of Paley's, are
 * centered and rotated before, projected onto directions, and quantized from memory.
 */
export const hadaNormQuantizeWebgpu = withDirections(
  webgpuKernel<HadaNormQuantizeInputs, HadaNormQuantizeAttrs>(hadaNormQuantizeOp, {
    run: hadaNormQuantizeOnWebgpu,
    takes: ({ x }, attrs, limits) => {
      const spec = memorySpec(x.shape[x.shape.length - 1]!, attrs);
      return workgroupBytes(spec) <= limits.maxComputeWorkgroupStorageSize;
    },
    question: quantizeQuestion(hadaNormQuantizeOnWebgpu),
  }),
  (_, rank) => whyNoRank(rank),
);

function hadaNormQuantizeOnWebgpu({ inputs, attrs, webgpu }: Args): TensorInfo[] {
  const { x, mean, scale } = inputs;
  const { center, blockSize, format } = attrs;
  const d = x.shape[x.shape.length - 1]!;
  const outputs = makeOutputs(webgpu, inputs, attrs);
  const parts = center === 'dynamic' ? partsOf(webgpu, inputs, blockSize) : null;
  const subtracted = parts?.info ?? (center === 'static' ? mean : undefined);
  const directions =
    inputs.directions === undefined ? null : directionVectors(webgpu, inputs.directions);
  const source = { x, mean: subtracted, scale, parts, directions };
  const spec = isSpelled(factorsOf(blockSize))
    ? rowsTogether(x)
        .map((rows) => specFor(d, rows, attrs, source))
        .find((one) => webgpu.whyNot(quantizeShader, one) === null)
    : undefined;
  if (spec !== undefined) quantizeRows(webgpu, spec, source, attrs, outputs);
  else quantizeFromMemory(webgpu, source, attrs, outputs);
  const codes = codesFromWords(webgpu, outputs.words, x.shape, format.bits);
  const { scales, zeroPoints, residual, along } = outputs;
  const coefficients = parts?.coefficients ?? null;
  const all = [codes, scales, zeroPoints, residual, coefficients, along];
  return all.filter((one) => one !== null);
}

function partsOf(
  webgpu: WebgpuScope,
  { x, mean, scale, basis, mask, directions }: HadaNormQuantizeInputs,
  blockSize: number,
): MeanParts {
  const rotated = directions && rotatedDirections(webgpu, directions, blockSize);
  const sums = partialSums(webgpu, x, mask);
  return meanParts(webgpu, sums, { mean, scale, basis, directions: rotated });
}

interface Outputs {
  readonly words: TensorInfo;
  readonly scales: TensorInfo;
  readonly zeroPoints: TensorInfo;
  readonly residual: TensorInfo | null;
  readonly along: TensorInfo | null;
}

/** What is quantized: (x − mean) / scale, and the means themselves. */
interface Source {
  readonly x: TensorInfo;
  readonly mean: TensorInfo | undefined; // [d], or `parts`
  readonly scale: TensorInfo | undefined;
  readonly parts: MeanParts | null;
  readonly directions: DirectionVectors | null;
}

function makeOutputs(
  webgpu: WebgpuScope,
  { x: { shape }, directions }: HadaNormQuantizeInputs,
  { format, center }: HadaNormQuantizeAttrs,
): Outputs {
  const rank = directions?.shape[1];
  const d = shape[shape.length - 1]!;
  const rows = util.sizeFromShape([...shape]) / d;
  const groups = [...shape.slice(0, -1), Math.ceil(d / format.granularity.groupSize)];
  const samples = util.sizeFromShape(shape.slice(0, -2));
  return {
    words: webgpu.make(wordsShape(rows, d), 'int32'),
    scales: webgpu.make(groups),
    zeroPoints: webgpu.make(groups),
    residual: center === 'dynamic' ? webgpu.make([samples, d]) : null,
    along: rank === undefined ? null : webgpu.make([...shape.slice(0, -1), rank]),
  };
}

function specFor(
  d: number,
  rows: number,
  { format, blockSize, range, center, subtract = false }: HadaNormQuantizeAttrs,
  { mean, scale, parts, directions }: Omit<Source, 'x'>,
): QuantizeSpec {
  return {
    d,
    blockSize,
    rows,
    invocations: rows * d >= 1024 ? MOST_INVOCATIONS : rows * d >= 256 ? 128 : 64,
    groupSize: format.granularity.groupSize,
    bits: format.bits,
    codes: format.codes,
    ranged: range !== null,
    mean: mean === undefined ? 'none' : center === 'dynamic' ? 'parts' : 'one',
    scale: scale === undefined ? 'none' : isBehindMeans(parts, directions) ? 'parts' : 'own',
    memory: false,
    residual: parts !== null,
    basis: (parts?.left ?? null) !== null,
    quads: directions?.quads ?? 0,
    subtract: directions !== null && subtract,
  };
}

/** So that a program binds no more than every device does. */
function isBehindMeans(parts: MeanParts | null, directions: DirectionVectors | null): boolean {
  return parts !== null && directions !== null;
}

function quantizeRows(
  webgpu: WebgpuScope,
  spec: QuantizeSpec,
  { x, mean, scale, parts, directions }: Source,
  { range }: HadaNormQuantizeAttrs,
  { words, scales, zeroPoints, residual, along }: Outputs,
): void {
  const rows = util.sizeFromShape(x.shape) / spec.d;
  const tokens = x.shape[x.shape.length - 2]!;
  const samples = rows / tokens;
  const rowGroups = Math.ceil(rows / spec.rows);
  const ownScale = spec.scale === 'own' ? scale : undefined;
  const others = [spec.residual ? residual : null, spec.quads > 0 ? along : null];
  webgpu.run(quantizeShader, spec, {
    reads: [x, mean, ownScale, parts?.left ?? undefined, directions?.rows].filter(
      (one) => one !== undefined,
    ),
    writes: [words, scales, zeroPoints, ...others.filter((one) => one !== null)],
    sizes: [
      ...[rows, paddedRows(rows), tokens, samples, parts?.info.shape[1] ?? 0],
      ...[parts?.alongAt ?? 0, parts?.scaleAt ?? 0, directions?.rank ?? 0],
      parts?.left?.shape[0] ?? 0,
      ...[floatBits(Math.min(range?.min ?? 0, 0)), floatBits(Math.max(range?.max ?? 0, 0))],
    ],
    groups: rowGroups + (spec.residual ? samples : 0),
  });
}

/** Centers, rotates and projects by programs of their own, and quantizes what these left. */
function quantizeFromMemory(
  webgpu: WebgpuScope,
  { x, mean, scale, parts, directions }: Source,
  attrs: HadaNormQuantizeAttrs,
  outputs: Outputs,
): void {
  const { blockSize, subtract = false } = attrs;
  const [tokens, d] = x.shape.slice(-2) as [number, number];
  const rotate = (rows: TensorInfo, to?: TensorInfo) =>
    transformed(webgpu, rows, blockSize, false, to);
  let rows = rotate(centerRows(webgpu, { x, mean, scale }));
  const taken = directions !== null && subtract;
  if (directions !== null) {
    const left = subtract ? webgpu.make(x.shape) : null;
    projectRows(webgpu, directions, { x: rows, along: outputs.along, left, parts, tokens });
    rows = left ?? rows;
  }
  if (parts !== null) {
    if (parts.left !== null) takeBasis(webgpu, parts.info, parts.left);
    const off = offRows(webgpu, parts, d);
    const means = rotate(off, taken ? undefined : outputs.residual!);
    const left = outputs.residual!;
    if (taken) projectRows(webgpu, directions, { x: means, along: null, left, parts, tokens });
  }
  const source = { ...NOTHING_GIVEN, x: rows };
  quantizeRows(webgpu, memorySpec(d, attrs), source, attrs, outputs);
}

const NOTHING_GIVEN = { mean: undefined, scale: undefined, parts: null, directions: null };

/** Of rows that stay in memory; workgroups have what is found of their groups. */
function memorySpec(d: number, attrs: HadaNormQuantizeAttrs): QuantizeSpec {
  return { ...specFor(d, 1, attrs, NOTHING_GIVEN), blockSize: 0, memory: true };
}
