import type { TypedArray } from '@tensorflow/tfjs-core';
import { type CpuBackend, defineKernel } from '../common/kernel.js';
import { type AttentionAttrs, type AttentionInputs, attentionContract } from './contract.js';
import { type AttentionDims, attentionDims } from './dims.js';
import type { StridedView } from './layout.js';

export const attentionCpu = defineKernel<AttentionInputs, AttentionAttrs, CpuBackend>(
  attentionContract,
  'cpu',
  ({ inputs, attrs, backend }) => {
    const dims = attentionDims(attentionContract.kernelName, inputs, attrs);
    const read = ({ dataId }: { dataId: object }) => backend.readSync(dataId);
    const numbers = {
      q: read(inputs.q),
      k: read(inputs.k),
      v: read(inputs.v),
      mask: inputs.mask === undefined ? null : read(inputs.mask),
    };
    const { outputShape } = dims;
    const out = new Float32Array(outputShape.reduce((size, length) => size * length, 1));
    attend(numbers, dims, attrs.scale, out);
    return backend.makeTensorInfo(outputShape, 'float32', out);
  },
);

interface Numbers {
  readonly q: TypedArray;
  readonly k: TypedArray;
  readonly v: TypedArray;
  readonly mask: TypedArray | null;
}

/** One query after the other: its scores, their softmax, and the values that these weigh. */
function attend(numbers: Numbers, dims: AttentionDims, scale: number, out: Float32Array): void {
  const { b, h, queries, keys, valueChannels } = dims.sizes;
  const weights = new Float64Array(keys);
  const sums = new Float64Array(valueChannels);
  for (let i = 0; i < b; i++) {
    for (let j = 0; j < h; j++) {
      for (let query = 0; query < queries; query++) {
        scoresOf(numbers, dims, [i, j, query], scale, weights);
        const total = exponentials(weights);
        mix(numbers.v, start(dims.v, i, j, 0), dims.v.stride.t, weights, sums);
        const at = start(dims.output, i, j, query);
        for (let c = 0; c < valueChannels; c++) out[at + c] = sums[c]! / total;
      }
    }
  }
}

function start({ offset, stride }: StridedView, b: number, h: number, t: number): number {
  return offset + b * stride.b + h * stride.h + t * stride.t;
}

function scoresOf(
  { q, k, mask }: Numbers,
  dims: AttentionDims,
  [b, h, query]: readonly [number, number, number],
  scale: number,
  scores: Float64Array,
): void {
  const { c } = dims.sizes;
  const [mb, mh, mq, mk] = dims.mask ?? [0, 0, 0, 0];
  const maskStart = b * mb + h * mh + query * mq;
  const from = start(dims.q, b, h, query);
  let to = start(dims.k, b, h, 0);
  for (let key = 0; key < scores.length; key++, to += dims.k.stride.t) {
    let dot = 0;
    for (let i = 0; i < c; i++) dot += q[from + i]! * k[to + i]!;
    scores[key] = scale * dot + (mask === null ? 0 : mask[maskStart + key * mk]!);
  }
}

/**
 * exp(x − max) in place; returns their sum. Math.max keeps a NaN, so that the whole row becomes
 * NaN.
 */
function exponentials(x: Float64Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < x.length; i++) max = Math.max(max, x[i]!);
  let total = 0;
  for (let i = 0; i < x.length; i++) {
    x[i] = Math.exp(x[i]! - max);
    total += x[i]!;
  }
  return total;
}

function mix(
  v: TypedArray,
  from: number,
  stride: number,
  weights: Float64Array,
  sums: Float64Array,
): void {
  sums.fill(0);
  for (let key = 0, at = from; key < weights.length; key++, at += stride) {
    const weight = weights[key]!;
    for (let c = 0; c < sums.length; c++) sums[c] = sums[c]! + weight * v[at + c]!;
  }
}
