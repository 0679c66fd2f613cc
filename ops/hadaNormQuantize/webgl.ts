import type { TensorInfo } from '@tensorflow/tfjs-core';
import { findHadamardPlan } from '../numerics/hadamard.js';
import { type CenteredTexels, centeredSource, centerTexels } from '../webgl/centering.js';
import { transformTexels } from '../webgl/hadamard.js';
import { whyNoPasses } from '../webgl/hadamardPasses.js';
import { type WebglScope, webglKernel } from '../webgl/kernel.js';
import { countedMeans } from '../webgl/maskedMeans.js';
import { texelsOf } from '../webgl/packed.js';
import type { TexelMatrix } from '../webgl/texels.js';
import { hadaNormQuantizeOp } from './composite.js';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';
import { groupShape, quantizeTexels } from './webglCodes.js';
import { checkHalfRange } from './webglHalf.js';

/**
 * Without a rotation one pass for the ranges and one that centers, scales and quantizes; with one,
 * the other ops' passes and these two behind them.
 */
export const hadaNormQuantizeWebgl = webglKernel(
  hadaNormQuantizeOp,
  ({ inputs, attrs, webgl }): TensorInfo[] => {
    const { x, basis, mask } = inputs;
    const { format, center } = attrs;
    const given = givenTexels(webgl, inputs);
    const means = center === 'dynamic' ? countedMeans(webgl, given.x, mask) : undefined;
    const mean = means ?? (center === 'static' ? given.mean : undefined);
    const source: CenteredTexels = { x: given.x, mean, scale: given.scale };
    const quantized = quantizeTexels(webgl, rotated(webgl, source, attrs), attrs);
    if (!webgl.writesFloat32) checkHalfRange(webgl, x, quantized.scale.info);
    const groups = groupShape(x, format.granularity.groupSize);
    const outputs = [
      webgl.view(quantized.codes.info, x.shape),
      webgl.view(quantized.scale.info, groups),
      webgl.view(quantized.zeroPoint.info, groups),
    ];
    if (means !== undefined) outputs.push(...meanParts(webgl, means, given, basis, attrs));
    return outputs;
  },
  ({ blockSize }) => (blockSize > 1 ? whyNoPasses(blockSize) : null),
);

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

/**
 * residual and, with a basis, coefficients, [samples, d] and [samples, r]:
 * `HadaNormQuantizeResult`.
 */
function meanParts(
  webgl: WebglScope,
  means: TexelMatrix,
  { scale, mean }: GivenTexels,
  basis: TensorInfo | undefined,
  attrs: HadaNormQuantizeAttrs,
): TensorInfo[] {
  const shape = [means.samples, means.columns];
  // [samples, 1, d] → [1, samples, d]
  const a = texelsOf(
    webgl,
    webgl.view(centeredTexels(webgl, { x: means, mean, scale }).info, shape),
  );
  const rotate = (x: TexelMatrix) => webgl.view(rotated(webgl, { x }, attrs).x.info, shape);
  if (basis === undefined) return [rotate(a)];
  const off = webgl.view(a.info, shape);
  const plain = { transposeA: false, transposeB: false };
  const coefficients = webgl.runKernel(
    'BatchMatMul',
    { a: off, b: basis },
    { ...plain, transposeB: true },
  );
  const along = webgl.runKernel('BatchMatMul', { a: coefficients, b: basis }, plain);
  const residual = webgl.runKernel('Sub', { a: off, b: along });
  return [rotate(texelsOf(webgl, residual)), coefficients];
}

/** x itself where nothing is to be done to it. */
function centeredTexels(webgl: WebglScope, source: CenteredTexels): TexelMatrix {
  const { x, mean, scale } = source;
  return mean === undefined && scale === undefined ? x : centerTexels(webgl, source);
}
