import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type WasmKernelArgs, wasmKernel } from '../wasm/kernel.js';
import { attentionWorkBytes, QUERIES, writeAttention } from '../wasm/records.js';
import { attentionOp } from './composite.js';
import { type AttentionAttrs, type AttentionInputs, attentionContract } from './contract.js';
import { type AttentionDims, attentionDims } from './dims.js';

export const attentionWasm = wasmKernel(attentionOp, attentionOnWasm);

/** The kernel on a module, by itself for tests that bring their own memory. */
export function attentionOnWasm({
  inputs,
  attrs,
  module,
}: WasmKernelArgs<AttentionInputs, AttentionAttrs>): TensorInfo {
  const dims = attentionDims(attentionContract.kernelName, inputs, attrs);
  const { sizes, outputShape } = dims;
  const out = module.output(outputShape, 'float32');
  const blocks = Math.ceil(sizes.queries / QUERIES);
  const fields = {
    q: module.addressOf(inputs.q) + 4 * dims.q.offset,
    k: module.addressOf(inputs.k) + 4 * dims.k.offset,
    v: module.addressOf(inputs.v) + 4 * dims.v.offset,
    mask: module.addressIfAny(inputs.mask),
    out: module.addressOf(out),
    heads: sizes.h,
    queries: sizes.queries,
    keys: sizes.keys,
    channels: sizes.c,
    valueChannels: sizes.valueChannels,
    blocks,
    scale: attrs.scale,
    ...strides(dims),
  };
  const record = writeAttention(module, fields);
  // a thread packs the keys and values of every head of which it does a block: half a head each at
  // least
  const options = { grain: Math.ceil(blocks / 2), scratchBytes: attentionWorkBytes(fields) };
  module.run('attention', [record], sizes.b * sizes.h * blocks, options);
  return out;
}

/** Bytes; without a mask they are not read. */
function strides({ q, k, v, output, mask }: AttentionDims) {
  const [maskSample, maskHead, maskQuery, maskKey] = mask ?? [0, 0, 0, 0];
  return {
    qSample: 4 * q.stride.b,
    qHead: 4 * q.stride.h,
    qToken: 4 * q.stride.t,
    kSample: 4 * k.stride.b,
    kHead: 4 * k.stride.h,
    kToken: 4 * k.stride.t,
    vSample: 4 * v.stride.b,
    vHead: 4 * v.stride.h,
    vToken: 4 * v.stride.t,
    outSample: 4 * output.stride.b,
    outHead: 4 * output.stride.h,
    outToken: 4 * output.stride.t,
    maskSample: 4 * maskSample,
    maskHead: 4 * maskHead,
    maskQuery: 4 * maskQuery,
    maskKey: 4 * maskKey,
  };
}
