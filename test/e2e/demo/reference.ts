import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { RECIPES } from '../../../examples/browser/worker/recipes.js';
import { loadTrained } from '../../../models/load.js';
import { byteOf } from '../../../models/pixels.js';
import { parseBits, shippedOptions } from '../../../src/cli/values.js';
import { calibrateOnTrajectories } from '../../../src/diffusion/calibration.js';
import { sample } from '../../../src/diffusion/sampler.js';
import { fuseGraph, loadQuantized, PRESETS, rewriteGraph } from '../../../src/index.js';
import { energiesOf, psnrDecibels } from '../../../src/math/decibels.js';
import type { PickedFile } from './driver.js';

/**
 * Settings of the page that a reference is made with; the rest is W4A8 of avatars-nano by Euler,
 * without guidance.
 */
export interface ReferenceSettings {
  readonly labels: readonly number[];
  readonly steps: number;
  readonly seed: number;
}

/** RGB bytes [labels, S, S, 3] of each column's pictures. */
export interface ReferencePictures {
  readonly fp32: Uint8Array;
  readonly rtn: Uint8Array;
  readonly small: Uint8Array;
}

/**
 * What Node draws on WASM with the page's settings: after the page's quick calibration, or with the
 * packed model.
 */
export async function referencePictures(
  settings: ReferenceSettings,
  packed: readonly PickedFile[] | null,
): Promise<ReferencePictures> {
  await tf.setBackend('wasm');
  const model = await loadTrained('avatars-nano');
  const bits = parseBits('W4A8')!;
  const rounded = rewriteGraph(model, { ...shippedOptions(bits, 'rtn'), compare: false }).model;
  const small = packed === null ? await quantized(model, settings.seed) : await opened(packed);
  try {
    return {
      fp32: await drawn(model, settings),
      rtn: await drawn(rounded, settings),
      small: await drawn(small, settings),
    };
  } finally {
    for (const one of [small, rounded, model]) one.dispose();
  }
}

async function quantized(model: tf.GraphModel, seed: number): Promise<tf.GraphModel> {
  const fused = fuseGraph(model);
  const stats = await calibrateOnTrajectories(fused, {
    recipe: RECIPES.quick,
    along: fused,
    seed: seed + 1,
  });
  fused.dispose();
  return rewriteGraph(model, { ...PRESETS.W4A8.options, stats, compare: false }).model;
}

function opened(files: readonly PickedFile[]): Promise<tf.GraphModel> {
  const json = JSON.parse(files.find(({ name }) => name === 'model.json')!.buffer.toString());
  const [{ paths, weights }] = json.weightsManifest as [
    { paths: string[]; weights: tf.io.WeightsManifestEntry[] },
  ];
  const shards = paths.map((path) => files.find(({ name }) => name === path)!.buffer);
  const { buffer, byteOffset, byteLength } = Buffer.concat(shards);
  const weightData = buffer.slice(byteOffset, byteOffset + byteLength);
  return loadQuantized(tf.io.fromMemory({ ...json, weightSpecs: weights, weightData }));
}

async function drawn(
  model: tf.GraphModel,
  { labels, steps, seed }: ReferenceSettings,
): Promise<Uint8Array> {
  const pictures = await sample(model, { labels, steps, seed });
  const values = await pictures.data();
  pictures.dispose();
  return Uint8Array.from(values, byteOf);
}

/** PSNR of bytes, dB; Infinity where they are equal. */
export function psnrOfBytes(a: Uint8Array, b: Uint8Array): number {
  return psnrDecibels(energiesOf(a, b), { peak: 255 });
}
