import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { withDirections } from '../common/directions.js';
import { UnsupportedDeviceError } from '../numerics/errors.js';
import { FLOAT32, type GroupedFormat } from '../numerics/formats.js';
import { attached } from '../webgl/attached.js';
import { fetchesBytesExactly } from '../webgl/bytes.js';
import { checkHalf, whyNoHalfDirections } from '../webgl/half.js';
import { type WebglKernelArgs, type WebglScope, webglKernel } from '../webgl/kernel.js';
import { type TexelGrid, texelGrid } from '../webgl/texelGrid.js';
import { quantizedMatMulOp } from './composite.js';
import {
  type QuantizedMatMulAttrs,
  type QuantizedMatMulInputs,
  quantizedMatMulContract,
} from './contract.js';
import { type AlongTexels, alongGlsl, alongTexels } from './webglAlong.js';
import { packProgram, productProgram, rowsProgram } from './webglShaders.js';
import { type PackedAttrs, weightsGrid, weightsTexture, withSegments } from './webglWeights.js';

/**
 * Weights stay packed on the GPU, an eighth or a quarter of their float32 size and the scales, and
 * are unpacked in the shader that multiplies. Codes, sums and scales of the weights are bytes, so
 * that they are exact on devices with float16 textures too; there the scales of x, x where it is
 * float32 and the result are of half precision, as all tensors are, and a result beyond 65504 is
 * infinite. Scales that come from the host are checked.
 */
export const quantizedMatMulWebgl = withDirections(
  webglKernel<QuantizedMatMulInputs, QuantizedMatMulAttrs>(
    quantizedMatMulOp,
    quantizedMatMulOnWebgl,
    ({ format }) =>
      format.kind === 'uniform' ? null : 'float32 weights are no bytes of a texture',
  ),
  whyNoHalfDirections,
);

function quantizedMatMulOnWebgl(args: Args): TensorInfo {
  const { inputs, webgl } = args;
  // packed: others are not supported
  const attrs = withSegments(args.attrs, args.attrs.format as GroupedFormat);
  const { x, xScale, xZeroPoint, bias } = inputs;
  const rows = util.sizeFromShape(x.shape) / attrs.d;
  // all that may be refused comes first, so that nothing is made in vain
  checkOutput(rows, attrs.n, webgl.maxTextureSize);
  weightsGrid(attrs, webgl.maxTextureSize);
  activationsGrid(rows, attrs, webgl.maxTextureSize);
  if (!webgl.writesFloat32 && xScale !== undefined) checkScale(webgl, xScale);
  const sampleRows = sampleRowsOf(args, attrs);
  const tokens = sampleRows === null ? 0 : x.shape[x.rank - 2]!;
  const others = [
    ...(attrs.xFormat.kind === 'float32'
      ? []
      : [matrix(webgl, xScale!, rows), matrix(webgl, xZeroPoint!, rows)]),
    ...(bias === undefined ? [] : [bias]),
    ...(sampleRows === null ? [] : [sampleRows]),
  ];
  const beside = alongTexels(webgl, inputs);
  const spec = { x, rows, tokens, bias: bias !== undefined, others, beside };
  return webgl.view(product(args, attrs, spec), [...x.shape.slice(0, -1), attrs.n]);
}

type Args = WebglKernelArgs<QuantizedMatMulInputs, QuantizedMatMulAttrs>;

/** residual W + coefficients · basis, [samples, n]. */
function sampleRowsOf(args: Args, attrs: PackedAttrs): TensorInfo | null {
  const { inputs, webgl } = args;
  const { x, residual, coefficients, basis, basisScale } = inputs;
  if (residual === undefined && coefficients === undefined) return null;
  const samples = util.sizeFromShape(x.shape.slice(0, -2));
  const parts = {
    product: residual !== undefined,
    basisRows: basis?.shape[0] ?? 0,
    rank: coefficients?.shape[1] ?? 0,
    scaled: basisScale !== undefined,
  };
  const given: TensorInfo[] = [];
  if (residual !== undefined) {
    // the segments of the tokens' product, so that it finds the same texture
    const floats = { ...attrs, xFormat: FLOAT32, activation: 'none' } as const;
    const plain = { tokens: 0, bias: false, others: [], beside: null };
    given.push(product(args, floats, { x: residual, rows: samples, ...plain }));
  }
  for (const part of [coefficients, basis, basisScale]) if (part !== undefined) given.push(part);
  return webgl.run(rowsProgram([samples, attrs.n], parts), given);
}

/** activation(x W + rows + what is beside), [rows, n]. */
function product(
  { inputs, webgl }: Args,
  attrs: PackedAttrs,
  spec: {
    readonly x: TensorInfo;
    readonly rows: number;
    readonly tokens: number;
    readonly bias: boolean;
    readonly others: readonly TensorInfo[];
    readonly beside: AlongTexels | null;
  },
): TensorInfo {
  const { x, rows, tokens, bias, others, beside } = spec;
  const { backend, maxTextureSize } = webgl;
  const grid = weightsGrid(attrs, maxTextureSize);
  const xGrid = activationsGrid(rows, attrs, maxTextureSize);
  const weights = weightsTexture(backend, inputs.codes, inputs.scale!, attrs, grid);
  const exactBytes = fetchesBytesExactly(backend);
  const layout = { xGrid, weightsGrid: grid, exactBytes };
  const glsl = beside && alongGlsl(webgl, beside);
  const program = productProgram({ rows, tokens, bias, attrs, ...layout, beside: glsl });
  const texels = packedX(webgl, x, rows, attrs, xGrid);
  const more = beside === null ? [] : [beside.along.info, beside.weights.info];
  return withRawTexels(webgl, [texels, ...more], () =>
    webgl.run(program, [texels, weights, ...others, ...more]),
  );
}

/** Where the texels of x lie: an item is a row. */
function activationsGrid(rows: number, { d, segments }: PackedAttrs, maxSize: number): TexelGrid {
  const { count, blocks } = segments;
  const what = `x [${rows}, ${d}]`;
  return texelGrid(quantizedMatMulContract.kernelName, what, [rows, count, blocks], maxSize);
}

/** x as texels of 4 channels; of codes they are kept, since linears share them. */
function packedX(
  webgl: WebglScope,
  x: TensorInfo,
  rows: number,
  { d, xFormat, segments }: PackedAttrs,
  grid: TexelGrid,
): TensorInfo {
  const { backend } = webgl;
  const codes = xFormat.kind !== 'float32';
  const pack = () => {
    const { texture, isPacked } = backend.texData.get(x.dataId);
    const packed = texture == null || isPacked === true;
    const program = packProgram({ rows, d, packed, codes }, segments, grid);
    return backend.runWebGLProgram(
      program,
      [matrix(webgl, x, rows)],
      codes ? 'int32' : 'float32',
      undefined,
      true,
    );
  };
  if (!codes) return webgl.track(pack());
  return attached(backend, x, `${segments.rows} ${grid.width}`, pack);
}

/**
 * Runs `body` with textures that have RGBA texels of their own, not elements that tfjs would
 * unpack.
 */
function withRawTexels(
  { backend }: WebglScope,
  infos: readonly TensorInfo[],
  body: () => TensorInfo,
): TensorInfo {
  const packed = infos
    .map(({ dataId }) => backend.texData.get(dataId))
    .filter(({ isPacked }) => isPacked === true);
  for (const data of packed) data.isPacked = false;
  try {
    return body();
  } finally {
    for (const data of packed) data.isPacked = true;
  }
}

/** As a matrix of so many rows. */
function matrix(webgl: WebglScope, info: TensorInfo, rows: number): TensorInfo {
  return webgl.view(info, [rows, util.sizeFromShape(info.shape) / rows]);
}

/** Those made on the device are right as they are: their codes were made by them. */
function checkScale({ backend }: WebglScope, scale: TensorInfo): void {
  if (backend.texData.get(scale.dataId).texture != null) return;
  checkHalf(quantizedMatMulContract.kernelName, 'the scale of x', backend.readSync(scale.dataId));
}

/** @throws UnsupportedDeviceError where no texture holds the result, 2 × 2 elements to a texel. */
function checkOutput(rows: number, n: number, maxSize: number): void {
  const texels = Math.ceil(rows / 2) * Math.ceil(n / 2);
  if (texels <= maxSize ** 2) return;
  const wanted = `room for ${texels} texels in a texture, for the result [${rows}, ${n}]`;
  const got = `textures of at most ${maxSize} × ${maxSize}`;
  const wayOut = 'Use smaller batches, or another backend.';
  throw new UnsupportedDeviceError(quantizedMatMulContract.kernelName, wanted, got, wayOut);
}
