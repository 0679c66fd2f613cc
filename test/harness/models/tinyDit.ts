import * as tf from '@tensorflow/tfjs';
import { buildDit, type DitConfig } from '../../../models/builder/dit.js';
import { seededDitWeights } from '../../../models/seeded.js';
import { TINY_DIT } from '../../../models/tinyDit.js';
import type { CalibrateOptions, CalibrationStats } from '../../../src/index.js';
import { calibrate } from '../../../src/index.js';
import { normal } from '../numbers/random.js';

/** A DiT of 16 tokens that runs in milliseconds. */
export const TINY: DitConfig = { ...TINY_DIT, hiddenSize: 32, mlpRatio: 2 };

/** Tokens of a sample. */
export const TINY_TOKENS = 16;

export function tinyArtifacts(changes: Partial<DitConfig> = {}, seed = 1): tf.io.ModelArtifacts {
  const config = { ...TINY, ...changes };
  return buildDit(config, seededDitWeights(config, seed));
}

export function tinyDit(changes: Partial<DitConfig> = {}, seed = 1): Promise<tf.GraphModel> {
  return tf.loadGraphModel(tf.io.fromMemory(tinyArtifacts(changes, seed)));
}

/** Random latents, one for each timestep. */
export function tinyBatch(seed: number, times: readonly number[] = [0.2, 0.7]): tf.NamedTensorMap {
  const size = times.length;
  return {
    latent: tf.tensor4d(normal(size * 256, seed), [size, 8, 8, 4]),
    timestep: tf.tensor1d([...times]),
    label: tf.tensor1d(
      times.map((_, i) => (seed + i) % 3),
      'int32',
    ),
  };
}

/** Batches that a calibration disposes. */
export function tinyBatches(count: number, seed = 1): tf.NamedTensorMap[] {
  return Array.from({ length: count }, (_, i) => tinyBatch(seed * 100 + i));
}

/** Statistics of two batches. */
export function tinyStats(
  model: tf.GraphModel,
  options: CalibrateOptions = {},
): Promise<CalibrationStats> {
  return calibrate(model, tinyBatches(2), { disposeBatches: true, ...options });
}

/** What the model gives for a batch that is disposed here. */
export function velocityOf(model: tf.GraphModel, batch: tf.NamedTensorMap): Float32Array {
  const output = model.predict(batch) as tf.Tensor;
  const values = output.dataSync() as Float32Array;
  tf.dispose([output, batch]);
  return values;
}

/** The bytes of weights in a model's file. */
export function weightDataOf(artifacts: tf.io.ModelArtifacts): Uint8Array {
  return new Uint8Array(tf.io.CompositeArrayBuffer.join(artifacts.weightData));
}
