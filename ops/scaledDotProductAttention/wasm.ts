import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type WasmKernelArgs, wasmKernel } from '../wasm/kernel.js';
import { type Fields, writeRecord } from '../wasm/records.js';
import { attentionOp } from './composite.js';
import { type AttentionAttrs, type AttentionInputs, attentionContract } from './contract.js';
import { type AttentionDims, type AttentionSizes, attentionDims } from './dims.js';
import type { StridedView } from './layout.js';

/** As in ops/wasm/assembly/attentionTypes.ts. */
const QUERIES = 16;
const SCORE_ROW_BYTES = 4 * 256 + 64;
const HEADER_BYTES = 32;

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
  const record = writeRecord(module, FIELDS, fields, ['scale']);
  // a thread packs the keys and values of every head of which it does a block: half a head each at
  // least
  const options = { grain: Math.ceil(blocks / 2), scratchBytes: scratchBytes(sizes) };
  module.run('attention', [record], sizes.b * sizes.h * blocks, options);
  return out;
}

function strides({ q, k, v, output, mask }: AttentionDims): Fields {
  const of = (name: string, { stride }: StridedView) => ({
    [`${name}Sample`]: 4 * stride.b,
    [`${name}Head`]: 4 * stride.h,
    [`${name}Token`]: 4 * stride.t,
  });
  const [maskSample, maskHead, maskQuery, maskKey] = (mask ?? [0, 0, 0, 0]).map((s) => 4 * s);
  const masks = { maskSample, maskHead, maskQuery, maskKey } as Fields;
  return { ...of('q', q), ...of('k', k), ...of('v', v), ...of('out', output), ...masks };
}

/** As placeWork in ops/wasm/assembly/attentionTypes.ts lays it out. */
function scratchBytes({ keys, c, valueChannels }: AttentionSizes): number {
  const panels = Math.ceil(valueChannels / 8);
  const packed = 32 * (Math.ceil(keys / 8) * c + panels * keys);
  return HEADER_BYTES + packed + QUERIES * (4 * c + SCORE_ROW_BYTES + 32 * panels + 8);
}

/** The fields of an Attention in ops/wasm/assembly/attentionTypes.ts, in order. */
const FIELDS =
  'q k v mask out heads queries keys channels valueChannels blocks scale qSample qHead qToken kSample kHead kToken vSample vHead vToken outSample outHead outToken maskSample maskHead maskQuery maskKey'.split(
    ' ',
  );
