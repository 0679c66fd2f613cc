import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { nearestCode, quantizationParameters } from '../numerics/formats.js';
import { type QuantizationLayout, quantizationLayout } from '../numerics/quantization.js';
import { type WebgpuKernelArgs, webgpuKernel } from '../webgpu/kernel.js';
import type { Question } from '../webgpu/knownAnswers.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import { fakeQuantOp } from './composite.js';
import type { FakeQuantAttrs, FakeQuantInputs, QuantizationRange } from './contract.js';
import { CHUNK, fakeQuantShader, INVOCATIONS, rangeShader } from './webgpuShaders.js';

type Args = WebgpuKernelArgs<FakeQuantInputs, FakeQuantAttrs>;

/** Ranges in stages of 2048 elements, then one pass that quantizes and dequantizes. */
export const fakeQuantWebgpu = webgpuKernel<FakeQuantInputs, FakeQuantAttrs>(fakeQuantOp, {
  run: ({ inputs, attrs, webgpu }) => fakeQuantOnWebgpu(webgpu, inputs.x, attrs),
  question,
});

function fakeQuantOnWebgpu(
  webgpu: WebgpuScope,
  x: Args['inputs']['x'] | TensorInfo,
  { format, range }: FakeQuantAttrs,
): TensorInfo {
  const layout = quantizationLayout(format.granularity, x.shape);
  const size = util.sizeFromShape(x.shape);
  const out = webgpu.make(x.shape);
  const ranges =
    range === null ? dynamicRanges(webgpu, x, layout) : staticRanges(webgpu, range, layout);
  const { bits, codes } = format;
  webgpu.run(
    fakeQuantShader,
    { bits, codes, dynamic: range === null },
    {
      reads: [x, ranges],
      writes: [out],
      sizes: [size, ...placesOf(layout)],
      groups: Math.ceil(size / INVOCATIONS),
    },
  );
  return out;
}

/** (lowest, highest) of each group, [groups, 2]; NaN where a group has a NaN or Inf. */
function dynamicRanges(webgpu: WebgpuScope, x: TensorInfo, layout: QuantizationLayout): TensorInfo {
  const { outer, length, inner, groupSize, outerStride, innerStride, numGroups } = layout;
  const outers = outerStride > 0 ? 1 : outer;
  const inners = innerStride > 0 ? 1 : inner;
  const most = groupSize * outers * inners;
  const chunks = Math.ceil(most / CHUNK);
  const ranges = webgpu.make([numGroups, chunks, 2]);
  webgpu.run(
    rangeShader,
    { merge: false },
    {
      reads: [x],
      writes: [ranges],
      sizes: [
        ...[numGroups, chunks, most, outers, inners, Math.ceil(length / groupSize)],
        ...placesOf(layout),
      ],
      groups: numGroups * chunks,
    },
  );
  return mergedRanges(webgpu, ranges, numGroups, chunks);
}

/** Ranges of chunks put together, a stage of 1024 at a time. */
function mergedRanges(
  webgpu: WebgpuScope,
  ranges: TensorInfo,
  numGroups: number,
  chunks: number,
): TensorInfo {
  if (chunks === 1) return ranges;
  const fewer = Math.ceil((2 * chunks) / CHUNK);
  const merged = webgpu.make([numGroups, fewer, 2]);
  webgpu.run(
    rangeShader,
    { merge: true },
    {
      reads: [ranges],
      writes: [merged],
      sizes: [numGroups, fewer, 2 * chunks, 1, 1, 1, 1, 1, 1, 1, 1, 1],
      groups: numGroups * fewer,
    },
  );
  return mergedRanges(webgpu, merged, numGroups, fewer);
}

function staticRanges(
  webgpu: WebgpuScope,
  { min, max }: QuantizationRange,
  { numGroups }: QuantizationLayout,
): TensorInfo {
  const at = (bound: number | readonly number[], g: number) =>
    typeof bound === 'number' ? bound : bound[g]!;
  const bounds = new Float32Array(2 * numGroups);
  for (let g = 0; g < numGroups; g++) {
    bounds[2 * g] = Math.min(at(min, g), 0);
    bounds[2 * g + 1] = Math.max(at(max, g), 0);
  }
  return webgpu.track(webgpu.backend.makeTensorInfo([numGroups, 2], 'float32', bounds));
}

/** Where an element's group is: see `QuantizationLayout`. */
function placesOf(layout: QuantizationLayout): number[] {
  const { length, inner, groupSize, outerStride, groupStride, innerStride } = layout;
  return [length, inner, groupSize, outerStride, groupStride, innerStride];
}

/** A ramp in groups of 16, which the host quantizes too. */
function question(webgpu: Parameters<Question>[0]) {
  const groupSize = 16;
  const values = Float32Array.from({ length: 8 * groupSize }, (_, i) => 1.5 * (i - 50));
  const granularity = { kind: 'perGroup', axis: 1, groupSize } as const;
  const format = { kind: 'uniform', bits: 4, codes: 'unsigned', granularity } as const;
  const lo = new Float32Array(8);
  const hi = new Float32Array(8);
  values.forEach((v, i) => {
    const g = Math.floor(i / groupSize);
    lo[g] = Math.min(lo[g]!, v);
    hi[g] = Math.max(hi[g]!, v);
  });
  const { scale, low, high } = quantizationParameters(format, { lo, hi });
  const wanted = values.map((v, i) => {
    const g = Math.floor(i / groupSize);
    return scale[g]! * nearestCode(Math.fround(v / scale[g]!), low[g]!, high[g]!);
  });
  const x = webgpu.track(webgpu.backend.makeTensorInfo([2, 64], 'float32', values));
  const got = fakeQuantOnWebgpu(webgpu, x, { format, range: null });
  return [{ got, wanted, within: 1e-3 }];
}
