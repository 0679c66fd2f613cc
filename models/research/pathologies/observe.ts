import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, type Tensor } from '@tensorflow/tfjs-core';
import type { DitInputs } from '../../../src/diffusion/sampler.js';
import { describeGraph, InvalidArgumentError, type Role } from '../../../src/index.js';
import {
  type ActivationStatistics,
  activationStatistics,
  type MagnitudeRange,
  magnitudeRange,
} from './statistics.js';

/** The linears of the blocks, by what they are called in a DiT. */
export const KINDS = {
  'attention.qkv': 'attn/qkv',
  'attention.out': 'attn/proj',
  'mlp.in': 'mlp/fc1',
  'mlp.out': 'mlp/fc2',
} as const satisfies Partial<Record<Role, string>>;

/** One of `KINDS`. */
export type Kind = (typeof KINDS)[keyof typeof KINDS];

/** Something that was measured at some times, and over all of them together. */
export interface OverTime<T> {
  readonly byTime: readonly (readonly [time: number, value: T])[];
  readonly all: T;
}

/** The input of one linear. */
export interface LayerStatistics extends OverTime<ActivationStatistics> {
  /** As in the graph: blocks/0/attn/qkv. */
  readonly name: string;
  readonly kind: Kind;
}

/** |1 + scale| of one adaLN modulation. */
export interface ScaleStatistics extends OverTime<MagnitudeRange> {
  /** As in the graph: blocks/0/norm1. */
  readonly name: string;
}

/** What a model's activations are like. */
export interface ModelStatistics {
  readonly layers: readonly LayerStatistics[];
  readonly scales: readonly ScaleStatistics[];
}

/** Options of `observe`. */
export interface ObserveOptions {
  readonly signal?: AbortSignal;
  /** Called after every batch. */
  readonly onProgress?: (batches: number) => void;
}

/**
 * Runs a DiT of `buildDit` on batches, each of one time, and describes the inputs of the linears of
 * its blocks and its adaLN modulations. The batches are disposed.
 *
 * @throws InvalidArgumentError for a model without such linears, or no batches.
 */
export async function observe(
  model: GraphModel,
  batches: Iterable<DitInputs>,
  { signal, onProgress }: ObserveOptions = {},
): Promise<ModelStatistics> {
  const layers = describeGraph(model).linears.flatMap(({ name, role, site }) => {
    if (!isKind(role)) return [];
    return [{ name: name.replace(/\/MatMul$/, ''), kind: KINDS[role], site }];
  });
  if (layers.length === 0) {
    const wanted = 'a DiT with one linear for q, k and v';
    throw new InvalidArgumentError('observe', 'model', wanted, 'another');
  }
  const blocks = layers
    .filter(({ kind }) => kind === 'attn/qkv')
    .map(({ name }) => name.replace('/attn/qkv', ''));
  const norms = blocks.flatMap((block) => [`${block}/norm1`, `${block}/norm2`]);
  const names = [
    ...new Set([...layers.map(({ site }) => site), ...norms.map((norm) => `${norm}/scale`)]),
  ];
  const seen = new Map<string, Seen[]>(names.map((name) => [name, []]));
  let done = 0;
  for (const batch of batches) {
    try {
      signal?.throwIfAborted();
      const time = (await batch.timestep.data())[0]!;
      const values = model.execute(batch, names) as Tensor[];
      values.forEach((value, i) => {
        const x = value.dataSync() as Float32Array;
        seen.get(names[i]!)!.push({ time, x: x.slice(), shape: value.shape });
      });
      dispose(values);
    } finally {
      dispose(batch);
    }
    done++;
    onProgress?.(done);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  if (done === 0) throw new InvalidArgumentError('observe', 'batches', 'one at least', 'none');
  return {
    layers: layers.map(({ name, kind, site }) => {
      const [, tokens, d] = seen.get(site)![0]!.shape as [number, number, number];
      const over = overTime(seen.get(site)!, (x) => activationStatistics(x, tokens, d));
      return { name, kind, ...over };
    }),
    scales: norms.map((norm) => ({
      name: norm,
      ...overTime(seen.get(`${norm}/scale`)!, magnitudeRange),
    })),
  };
}

/** A tensor at a time. */
interface Seen {
  readonly time: number;
  readonly x: Float32Array;
  readonly shape: readonly number[];
}

function isKind(role: Role): role is keyof typeof KINDS {
  return Object.hasOwn(KINDS, role);
}

function overTime<T>(seen: readonly Seen[], describe: (x: Float32Array) => T): OverTime<T> {
  const all = new Float32Array(seen.reduce((sum, { x }) => sum + x.length, 0));
  let at = 0;
  for (const { x } of seen) {
    all.set(x, at);
    at += x.length;
  }
  // a float32 0.05 is no 0.05000000074505806 to anyone
  const byTime = seen.map(({ time, x }) => [Number(time.toPrecision(6)), describe(x)] as const);
  return { byTime, all: describe(all) };
}
