import type { TensorInfo } from '@tensorflow/tfjs-core';
import { withDirections } from '../common/directions.js';
import { findHadamardPlan } from '../numerics/hadamard.js';
import { type CenteredTexels, centeredSource, centerTexels } from '../webgl/centering.js';
import { transformTexels } from '../webgl/hadamard.js';
import { whyNoPasses } from '../webgl/hadamardPasses.js';
import { whyNoHalfDirections } from '../webgl/half.js';
import { type WebglKernelArgs, type WebglScope, webglKernel } from '../webgl/kernel.js';
import { countedMeans } from '../webgl/maskedMeans.js';
import { texelsOf } from '../webgl/packed.js';
import type { TexelMatrix } from '../webgl/texels.js';
import { hadaNormQuantizeOp } from './composite.js';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';
import { groupShape, quantizeTexels } from './webglCodes.js';
import { besideDirections } from './webglDirections.js';
import { checkHalfRange } from './webglHalf.js';

/**
 * Without a rotation one pass for the ranges and one that centers, scales and quantizes; with one,
 * the other ops' passes and these two behind them. What goes along directions is a narrow pass over
 * what is quantized.
 */
export const hadaNormQuantizeWebgl = withDirections(
  webglKernel(hadaNormQuantizeOp, hadaNormQuantizeOnWebgl, ({ blockSize }) =>
    blockSize > 1 ? whyNoPasses(blockSize) : null,
  ),
  whyNoHalfDirections,
);

function hadaNormQuantizeOnWebgl({ inputs, attrs, webgl }: Args): TensorInfo[] {
  const { x, basis, mask } = inputs;
  const { format, center, subtract = false } = attrs;
  const given = givenTexels(webgl, inputs);
  const means = center === 'dynamic' ? countedMeans(webgl, given.x, mask) : undefined;
  const mean = means ?? (center === 'static' ? given.mean : undefined);
  const source = rotated(webgl, { x: given.x, mean, scale: given.scale }, attrs);
  const parts = means && meanParts(webgl, means, given, basis, attrs);
  const directions = inputs.directions && texelsOf(webgl, inputs.directions);
  const beside =
    directions && besideDirections(webgl, source, parts?.residual, directions, subtract);
  const quantized = quantizeTexels(webgl, beside?.left ?? source, attrs);
  if (!webgl.writesFloat32) checkHalfRange(webgl, x, quantized.scale.info);
  const groups = groupShape(x, format.granularity.groupSize);
  const residual = beside?.residual ?? parts?.residual;
  const outputs = [
    webgl.view(quantized.codes.info, x.shape),
    webgl.view(quantized.scale.info, groups),
    webgl.view(quantized.zeroPoint.info, groups),
    residual && webgl.view(residual.info, residual.info.shape.slice(1)),
    parts?.coefficients,
    beside && webgl.view(beside.along.info, [...x.shape.slice(0, -1), directions!.columns]),
  ];
  return outputs.filter((one) => one !== undefined);
}

type Args = WebglKernelArgs<HadaNormQuantizeInputs, HadaNormQuantizeAttrs>;

interface GivenTexels {
  readonly x: TexelMatrix;
  readonly scale: TexelMatrix | undefined;
  readonly mean: TexelMatrix | undefined;
}

function givenTexels(webgl: WebglScope, { x, scale, mean }: HadaNormQuantizeInputs): GivenTexels {
  const ifAny = (vector: TensorInfo | undefined) =>
    vector === undefined ? undefined : texelsOf(webgl, vector);
  return { x: texelsOf(webgl, x), scale: ifAny(scale), mean: ifAny(mean) };
}

/** Without a rotation it is centered and scaled where it is read, twice. */
function rotated(
  webgl: WebglScope,
  source: CenteredTexels,
  { blockSize }: HadaNormQuantizeAttrs,
): CenteredTexels {
  if (blockSize <= 1) return centeredSource(webgl, source);
  const plan = findHadamardPlan(blockSize)!;
  return { x: transformTexels(webgl, centeredTexels(webgl, source), plan, false) };
}

interface MeanParts {
  readonly residual: TexelMatrix; // [1, samples, d]
  readonly coefficients: TensorInfo | undefined; // [samples, r], with a basis
}

function meanParts(
  webgl: WebglScope,
  means: TexelMatrix,
  { scale, mean }: GivenTexels,
  basis: TensorInfo | undefined,
  attrs: HadaNormQuantizeAttrs,
): MeanParts {
  const shape = [means.samples, means.columns];
  // [samples, 1, d] → [1, samples, d]
  const a = texelsOf(
    webgl,
    webgl.view(centeredTexels(webgl, { x: means, mean, scale }).info, shape),
  );
  const rotate = (x: TexelMatrix) => rotated(webgl, { x }, attrs).x;
  if (basis === undefined) return { residual: rotate(a), coefficients: undefined };
  const off = webgl.view(a.info, shape);
  const plain = { transposeA: false, transposeB: false };
  const coefficients = webgl.runKernel(
    'BatchMatMul',
    { a: off, b: basis },
    { ...plain, transposeB: true },
  );
  const along = webgl.runKernel('BatchMatMul', { a: coefficients, b: basis }, plain);
  const residual = webgl.runKernel('Sub', { a: off, b: along });
  return { residual: rotate(texelsOf(webgl, residual)), coefficients };
}

/** x itself where nothing is to be done to it. */
function centeredTexels(webgl: WebglScope, source: CenteredTexels): TexelMatrix {
  const { x, mean, scale } = source;
  return mean === undefined && scale === undefined ? x : centerTexels(webgl, source);
}
