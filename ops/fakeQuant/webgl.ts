import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { type QuantizationLayout, quantizationLayout } from '../numerics/quantization.js';
import { checkHalf } from '../webgl/half.js';
import { type WebglScope, webglKernel } from '../webgl/kernel.js';
import { fakeQuantOp } from './composite.js';
import {
  type FakeQuantAttrs,
  type FakeQuantInputs,
  fakeQuantContract,
  type QuantizationRange,
} from './contract.js';
import { CHUNK, mergeProgram, quantizeProgram, rangeProgram } from './webglShaders.js';

/**
 * Ranges in stages of 64 elements, then one pass that quantizes and dequantizes. With float16
 * textures dynamic ranges are exact, since they are elements of x, and the result is rounded to
 * float16; static ranges per group must be normal float16 numbers.
 */
export const fakeQuantWebgl = webglKernel<FakeQuantInputs, FakeQuantAttrs>(
  fakeQuantOp,
  ({ inputs, attrs, webgl }) => {
    const { shape } = inputs.x;
    const layout = quantizationLayout(attrs.format.granularity, shape);
    const size = util.sizeFromShape(shape);
    const columns = shape[shape.length - 1] ?? 1;
    const { range } = attrs;
    const shared = isShared(range) ? [sharedBounds(range)] : undefined;
    const x = webgl.view(unpacked(webgl, inputs.x), [size]);
    const ranges =
      range === null ? dynamicRanges(webgl, x, layout) : staticRanges(webgl, range, layout);
    const { writesFloat32 } = webgl;
    const options = { shared: shared !== undefined, writesFloat32 };
    const program = quantizeProgram([size / columns, columns], layout, attrs, options);
    const out = webgl.run(program, ranges === null ? [x] : [x, ranges], 'float32', shared);
    return webgl.view(out, shape);
  },
);

/** x one element to a texel, so that the passes do not each unpack it. */
function unpacked(webgl: WebglScope, x: TensorInfo): TensorInfo {
  const { backend } = webgl;
  const { isPacked } = backend.texData.get(x.dataId);
  return isPacked === true ? webgl.track(backend.unpackTensor(x)) : x;
}

/** Lowest and highest of each group, [2, groups]. */
function dynamicRanges(webgl: WebglScope, x: TensorInfo, layout: QuantizationLayout): TensorInfo {
  const { outer, inner, groupSize, outerStride, innerStride, numGroups } = layout;
  const size = groupSize * (outerStride > 0 ? 1 : outer) * (innerStride > 0 ? 1 : inner);
  let chunks = Math.ceil(size / CHUNK);
  let ranges = webgl.run(rangeProgram(layout, chunks), [x]);
  while (chunks > 1) {
    const fewer = Math.ceil(chunks / CHUNK);
    ranges = webgl.run(mergeProgram(numGroups, chunks, fewer), [ranges]);
    chunks = fewer;
  }
  return ranges;
}

/**
 * The given ranges [2, groups]; null where all groups have the same, which goes to the program as
 * it is.
 */
function staticRanges(
  webgl: WebglScope,
  range: QuantizationRange,
  { numGroups }: QuantizationLayout,
): TensorInfo | null {
  if (isShared(range)) return null;
  const bounds = new Float32Array(2 * numGroups);
  for (let g = 0; g < numGroups; g++) {
    bounds[g] = Math.min(boundAt(range.min, g), 0);
    bounds[numGroups + g] = Math.max(boundAt(range.max, g), 0);
  }
  if (!webgl.writesFloat32) checkHalf(fakeQuantContract.kernelName, 'range', bounds);
  return webgl.track(webgl.backend.makeTensorInfo([2, numGroups], 'float32', bounds));
}

function isShared(range: QuantizationRange | null): range is { min: number; max: number } {
  return typeof range?.min === 'number' && typeof range.max === 'number';
}

function sharedBounds({ min, max }: { min: number; max: number }): number[] {
  return [Math.min(min, 0), Math.max(max, 0)];
}

function boundAt(bound: number | readonly number[], group: number): number {
  return typeof bound === 'number' ? bound : bound[group]!;
}
