import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { withDirections } from '../common/directions.js';
import { fitsIn, type GroupedFormat } from '../numerics/formats.js';
import { codeCenter, wordsOf } from '../webgpu/codes.js';
import { type WebgpuKernelArgs, webgpuKernel } from '../webgpu/kernel.js';
import { quantizedMatMulOp } from './composite.js';
import type { QuantizedMatMulInputs } from './contract.js';
import { areCodes, type CodesAttrs, type QuantizedMatMulAttrs } from './contract.js';
import { alongForm } from './webgpuAlong.js';
import { canTakeMean } from './webgpuMeans.js';
import { productQuestion } from './webgpuQuestion.js';
import { rowsShader, vectorsFor } from './webgpuRows.js';
import { type Steps, stepsOf } from './webgpuSteps.js';
import { type TileSpec, tileShader } from './webgpuTile.js';
import { slicesFor, tileFor } from './webgpuTiles.js';
import { type GivenWeights, type PackedWeightWords, weightWords } from './webgpuWeights.js';

type Args = WebgpuKernelArgs<QuantizedMatMulInputs, QuantizedMatMulAttrs>;

/** Rows of float32 x at most: the kernel for them reads the weights once for every few. */
const MOST_FLOAT_ROWS = 64;
/** Rows that are multiplied at a time there. */
const FEW_ROWS = 4;

/**
 * Codes by packed codes in integers, in tiles; float32 x by packed weights for few rows. What is
 * added to a sample's tokens (its mean's product, and the bias) the tiles multiply themselves where
 * they are few; else it is made first, a row for each sample. What goes along directions is
 * multiplied where the products are written.
 */
export const quantizedMatMulWebgpu = withDirections(
  webgpuKernel<QuantizedMatMulInputs, QuantizedMatMulAttrs>(quantizedMatMulOp, {
    run: quantizedMatMulOnWebgpu,
    supports: (attrs) => {
      const { format, xFormat } = attrs;
      if (format.kind !== 'uniform') return 'float32 weights are not packed';
      if (stepsOf(attrs, format) !== null) return null;
      const multiple = fitsIn(format, 4) ? 8 : 4;
      const kind = xFormat.kind === 'float32' ? 'kernels' : 'integer kernels';
      return `${kind} for webgpu need groups of a multiple of ${multiple}`;
    },
    takes: ({ x }, { xFormat, d }) =>
      xFormat.kind === 'uniform' || util.sizeFromShape(x.shape) <= MOST_FLOAT_ROWS * d,
    // packed on the way to the GPU
    unbound: ['codes', 'directionWeights'],
    question: productQuestion(quantizedMatMulOnWebgpu),
  }),
);

function quantizedMatMulOnWebgpu(args: Args): TensorInfo {
  const { inputs, attrs, webgpu } = args;
  const { x, codes, scale } = inputs;
  const { d, n } = attrs;
  const format = attrs.format as GroupedFormat;
  const steps = stepsOf(attrs, format)!;
  const out = webgpu.make([...x.shape.slice(0, -1), n]);
  const beside = areCodes(attrs) ? besideOf(inputs) : NOTHING_BESIDE;
  const given = { codes, scale: scale!, ...beside };
  const weights = weightWords(webgpu, given, [d, n], format, steps);
  const product = { ...args, weights, steps };
  if (!areCodes(attrs)) {
    multiplyFloats(product, out);
    return out;
  }
  multiplyCodes({ ...product, attrs }, out);
  return out;
}

type Beside = Omit<GivenWeights, 'codes' | 'scale'>;

const NOTHING_BESIDE: Beside = { directions: null, bias: undefined, basis: null };

/** What is packed with the weights where codes are multiplied. */
function besideOf(inputs: QuantizedMatMulInputs): Beside {
  const { along, directionWeights, directionScale, residual, coefficients, bias } = inputs;
  const weightsOf = (factors: TensorInfo, rows?: TensorInfo, scale?: TensorInfo) => ({
    ...{ rank: factors.shape.at(-1)!, rows: rows!, scale },
  });
  const directions = along ? weightsOf(along, directionWeights, directionScale) : null;
  if (residual === undefined) return { ...NOTHING_BESIDE, directions };
  const { basis, basisScale } = inputs;
  return {
    directions,
    bias,
    basis: coefficients ? weightsOf(coefficients, basis, basisScale) : null,
  };
}

interface Product extends Args {
  readonly weights: PackedWeightWords;
  readonly steps: Steps;
}

/** A row for each sample, or one for all, [samples, n]; null where nothing is added. */
function sampleRows(product: Product): TensorInfo | null {
  const { inputs, attrs, webgpu } = product;
  const { x, residual, coefficients, bias } = inputs;
  if (residual === undefined && coefficients === undefined) return bias ?? null;
  const samples = util.sizeFromShape(x.shape.slice(0, -2));
  const out = webgpu.make([samples, attrs.n]);
  const { basis, basisScale } = inputs;
  const means = coefficients && { factors: coefficients, rows: basis!, scale: basisScale };
  multiplyRows(product, residual, samples, {
    activation: 'none',
    added: null,
    bias,
    factors: means,
    out,
  });
  return out;
}

/** activation(x W + what is added) for float32 x. */
function multiplyFloats(product: Product, out: TensorInfo): void {
  const { inputs, attrs } = product;
  const { x, coefficients, residual, bias, along, directionWeights, directionScale } = inputs;
  const rows = util.sizeFromShape(x.shape) / attrs.d;
  const beside = along && { factors: along, rows: directionWeights!, scale: directionScale };
  const { activation } = attrs;
  const plain = residual === undefined && coefficients === undefined;
  const added = plain ? null : sampleRows(product);
  const rest = plain ? bias : undefined;
  multiplyRows(product, x, rows, { activation, added, bias: rest, factors: beside, out });
}

interface RowsOptions {
  readonly activation: QuantizedMatMulAttrs['activation'];
  readonly added: TensorInfo | null; // [samples, n]
  readonly bias: TensorInfo | undefined;
  readonly factors: Factors | undefined;
  readonly out: TensorInfo;
}

/** A few numbers for each row of x, [..., r], and the rows [k, n] that they are for. */
interface Factors {
  readonly factors: TensorInfo;
  readonly rows: TensorInfo;
  readonly scale: TensorInfo | undefined; // [k]
}

/** activation(x W + factors · their rows + bias + added), x: [rows, d] or nothing. */
function multiplyRows(
  { attrs, webgpu, weights, steps }: Product,
  x: TensorInfo | undefined,
  rows: number,
  { activation, added, bias, factors, out }: RowsOptions,
): void {
  const { d, n } = attrs;
  const tokens = added === null ? rows : rows / (util.sizeFromShape(added.shape) / n);
  const nibbles = fitsIn(attrs.format, 4);
  // words of W, [rows of words, n]
  const vectors = vectorsFor((steps.count * steps.words) / (nibbles ? 2 : 1));
  const tilesN = Math.ceil(n / (4 * vectors));
  const given = [
    ...(x === undefined ? [] : [x, weights.info]),
    ...[factors?.factors, factors?.rows, factors?.scale, bias, added ?? undefined],
  ].filter((one) => one !== undefined);
  const spec = {
    count: Math.min(rows, FEW_ROWS),
    vectors,
    aligned: d % 4 === 0,
    words: steps.words,
    nibbles,
    product: x !== undefined,
    basis: factors !== undefined,
    scaled: factors?.scale !== undefined,
    bias: bias !== undefined,
    rows: added !== null,
    activation,
  };
  webgpu.run(rowsShader, spec, {
    reads: given,
    writes: [out],
    sizes: [
      ...[rows, d, n, weights.paddedN / 4, steps.count, weights.scaleAt, steps.perGroup],
      ...[factors?.factors.shape.at(-1) ?? 1, factors?.rows.shape[0] ?? 0, tokens, tilesN],
    ],
    groups: tilesN * Math.ceil(rows / spec.count),
  });
}

/** activation(x W + along R + what is added to a sample's tokens) for codes by codes. */
function multiplyCodes(product: Product & { readonly attrs: CodesAttrs }, out: TensorInfo): void {
  const { inputs, attrs, webgpu, weights, steps } = product;
  const { x, xScale, xZeroPoint, along, residual, coefficients, bias } = inputs;
  const rank = along?.shape.at(-1);
  const { d, n, xFormat, activation } = attrs;
  const rows = util.sizeFromShape(x.shape) / d;
  const words = wordsOf(webgpu, x, rows, d, xFormat.bits);
  const nibbles = fitsIn(attrs.format, 4);
  const { tileM, tileN } = tileFor(rows, n, nibbles ? 'nibbles' : 'bytes');
  const tokens = x.shape.length > 1 ? x.shape.at(-2)! : 1;
  const tile = { tileM, tileN, words: steps.words };
  const within = residual !== undefined && canTakeMean(tile, { rows, tokens, d, n });
  const added = within ? null : sampleRows(product);
  const tilesN = Math.ceil(n / tileN);
  const tiles = tilesN * Math.ceil(rows / tileM);
  const spec: TileSpec = {
    ...{ ...tile, slices: slicesFor(tile, steps.count), whole: steps.whole, activation },
    nibbles,
    xGroups: xFormat.granularity.groupSize < d,
    xCenter: codeCenter(xFormat.bits),
    rows: added !== null,
    mean: !within ? 'none' : coefficients === undefined ? 'residual' : 'both',
    along: alongForm(rank),
    aligned: n % 4 === 0,
    dot4: webgpu.dot4,
  };
  const samples = added === null ? rows / tokens : util.sizeFromShape(added.shape) / n;
  const means = within ? [residual, coefficients] : [];
  webgpu.run(tileShader, spec, {
    reads: [
      ...[words.info, weights.info, xScale!, xZeroPoint!],
      ...[added ?? undefined, along, ...means].filter((one) => one !== undefined),
    ],
    writes: [out],
    sizes: [
      ...[rows, n, words.paddedRows / 4, weights.paddedN / 4, steps.count],
      ...[weights.scaleAt, weights.sumAt, steps.perGroup, steps.perXGroup],
      ...[util.sizeFromShape(xScale!.shape) / rows, rows / samples, tilesN],
      ...[weights.directionAt, rank ?? 0, weights.biasAt, bias === undefined ? 0 : 1],
      ...[coefficients?.shape.at(-1) ?? 0, Math.ceil(d / 4)],
    ],
    groups: tiles,
  });
}
