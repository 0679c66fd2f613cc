import type { TensorInfo } from '@tensorflow/tfjs-core';
import { asInputs } from '../common/kernel.js';
import { type WebgpuKernelArgs, webgpuKernel } from '../webgpu/kernel.js';
import type { Question } from '../webgpu/knownAnswers.js';
import { type Limits, whyNotOn } from '../webgpu/limits.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import { floatBits } from '../webgpu/wgsl.js';
import { attentionOp } from './composite.js';
import { type AttentionAttrs, type AttentionInputs, attentionContract } from './contract.js';
import { type AttentionDims, type AttentionSizes, attentionDims } from './dims.js';
import type { StridedView } from './layout.js';
import { attentionShader } from './webgpuShader.js';
import {
  type AttentionSpec,
  type AttentionTile,
  attentionDemands,
  VIEW_FIELDS,
} from './webgpuTile.js';

type Args = WebgpuKernelArgs<AttentionInputs, AttentionAttrs>;

/** Channels at most: a query's sums are an invocation's registers. */
const MOST_CHANNELS = 256;

/**
 * A workgroup for a tile of queries of a head: it goes over the keys in tiles, and no score leaves
 * it (FlashAttention, arXiv 2205.14135), without subgroups. Heads of more than 256 channels are
 * composed.
 */
export const attentionWebgpu = webgpuKernel<AttentionInputs, AttentionAttrs>(attentionOp, {
  run: attentionOnWebgpu,
  takes: (inputs, attrs, limits) => tileFor(dimsOf(inputs, attrs).sizes, limits) !== null,
  question,
});

function dimsOf(inputs: AttentionInputs, attrs: AttentionAttrs): AttentionDims {
  return attentionDims(attentionContract.kernelName, inputs, attrs);
}

function attentionOnWebgpu({ inputs, attrs, webgpu }: Args): TensorInfo {
  const dims = dimsOf(inputs, attrs);
  const { q, k, v, mask } = inputs;
  const out = webgpu.make(dims.outputShape);
  const spec = specOf(dims, webgpu.limits);
  const { b, h, queries, keys } = dims.sizes;
  const tiles = Math.ceil(queries / spec.queries);
  webgpu.run(attentionShader, spec, {
    reads: [q, k, v, mask].filter((one) => one !== undefined),
    writes: [out],
    sizes: [
      ...[b * h, h, queries, keys, tiles, floatBits(attrs.scale)],
      ...[dims.q, dims.k, dims.v, dims.output].flatMap(placesOf),
      ...(dims.mask ?? [0, 0, 0, 0]),
    ],
    groups: b * h * tiles,
  });
  return out;
}

/** In the order of VIEW_FIELDS. */
function placesOf({ offset, stride }: StridedView): number[] {
  const places: Record<(typeof VIEW_FIELDS)[number], number> = {
    offset,
    b: stride.b,
    h: stride.h,
    t: stride.t,
  };
  return VIEW_FIELDS.map((field) => places[field]);
}

function specOf({ sizes, q, k, v, output, mask }: AttentionDims, limits: Limits): AttentionSpec {
  const { c, valueChannels } = sizes;
  const whole = [q, k, v, output].every((view) => placesOf(view).every((at) => at % 4 === 0));
  return {
    ...tileFor(sizes, limits)!,
    ...{ channels: c, valueChannels, masked: mask !== null },
    aligned: whole && c % 4 === 0 && valueChannels % 4 === 0,
  };
}

/** Tiles, the fastest first, as far as workgroup memory holds them; measured on one H200. */
const TILES: readonly AttentionTile[] = [
  { queries: 64, keys: 64, team: 8, parts: 2, held: true },
  { queries: 64, keys: 32, team: 8, parts: 1, held: true },
  // of heads with many channels: queries come from memory for every tile
  { queries: 128, keys: 32, team: 8, parts: 1, held: false },
  { queries: 32, keys: 32, team: 8, parts: 1, held: true },
  { queries: 32, keys: 16, team: 8, parts: 1, held: true },
  { queries: 16, keys: 16, team: 8, parts: 1, held: true },
  { queries: 16, keys: 8, team: 8, parts: 1, held: true },
];

/** Workgroups from which on they are many. */
const MANY = 192;

/** Where workgroups are few: more invocations for each query. */
const FEW_TILES: readonly AttentionTile[] = [
  { queries: 32, keys: 64, team: 16, parts: 1, held: true },
  { queries: 16, keys: 32, team: 32, parts: 1, held: true },
  { queries: 16, keys: 16, team: 16, parts: 1, held: true },
  ...TILES.filter((tile) => tile.queries <= 32),
];

/** The tile for an attention; null where the device has room for none. */
function tileFor(
  { b, h, queries, c, valueChannels }: AttentionSizes,
  limits: Limits,
): AttentionTile | null {
  if (Math.max(c, valueChannels) > MOST_CHANNELS) return null;
  const fits = (tile: AttentionTile) =>
    whyNotOn(limits, attentionDemands({ ...tile, channels: c, valueChannels })) === null;
  const many = ({ queries: tile }: AttentionTile) => b * h * Math.ceil(queries / tile) >= MANY;
  return TILES.find((tile) => fits(tile) && many(tile)) ?? FEW_TILES.find(fits) ?? null;
}

/**
 * Keys of which each query meets one, with a score far above the others': it gives that one's
 * value. Then a query of zeros, which gives the mean of the values that a mask leaves.
 */
function question(webgpu: Parameters<Question>[0]) {
  return [4, 5].map((c) => ask(webgpu, c));
}

function ask(webgpu: WebgpuScope, c: number) {
  const [queries, keys] = [37, 45];
  const info = (shape: number[], make: (i: number) => number) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => make(i));
    return webgpu.track(webgpu.backend.makeTensorInfo(shape, 'float32', values));
  };
  // keys on a parabola: (t, −t² / 2) · (s, 1) is largest at t = s
  const met = (query: number) => (query * 7) % keys;
  const zero = queries - 1;
  const q = info([queries, c], (i) => {
    const [query, channel] = [Math.floor(i / c), i % c];
    if (query === zero || channel > 1) return 0;
    return channel === 0 ? 64 * met(query) : 64;
  });
  const k = info([keys, c], (i) => {
    const [key, channel] = [Math.floor(i / c), i % c];
    return [key, -(key * key) / 2][channel] ?? 0;
  });
  const value = (key: number, channel: number) => ((key * 31) % 64) + channel;
  const v = info([keys, c], (i) => value(Math.floor(i / c), i % c));
  // of the last query the first four keys, of the others all
  const hides = (query: number, key: number) => query === zero && key >= 4;
  const mask = info([queries, keys], (i) =>
    hides(Math.floor(i / keys), i % keys) ? Number.NEGATIVE_INFINITY : 0,
  );
  const inputs = asInputs<AttentionInputs>({ q, k, v, mask });
  const layouts = { qLayout: 'tc', kLayout: 'tc', vLayout: 'tc', outputLayout: 'tc' };
  const got = attentionOnWebgpu({ inputs, attrs: { ...layouts, scale: 1 }, webgpu });
  const mean = [0, 1, 2, 3].reduce((sum, key) => sum + value(key, 0), 0) / 4;
  const wanted = Float32Array.from({ length: queries * c }, (_, i) => {
    const [query, channel] = [Math.floor(i / c), i % c];
    return query === zero ? mean + channel : value(met(query), channel);
  });
  return { got, wanted, within: 1e-2 };
}
