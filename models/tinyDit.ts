import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import { buildDit, type DitConfig } from './builder/dit.js';
import { seededDitWeights } from './seeded.js';

/** A DiT of 16 tokens and one block, which runs in milliseconds. */
export const TINY_DIT: DitConfig = {
  inputSize: 8,
  patchSize: 2,
  channels: 4,
  hiddenSize: 64,
  depth: 1,
  numHeads: 2,
  mlpRatio: 4,
  numClasses: 3,
};

/** It, with seeded weights: what the examples of the documentation quantize. */
export function tinyDit(): Promise<GraphModel> {
  const artifacts = buildDit(TINY_DIT, seededDitWeights(TINY_DIT, 1));
  return loadGraphModel(tf.io.fromMemory(artifacts));
}

/** What it takes: noise and a label for each timestep. */
export function tinyInputs(timesteps: readonly number[]): tf.NamedTensorMap {
  const labels = timesteps.map((_, i) => i % 3);
  return {
    latent: tf.randomNormal([timesteps.length, 8, 8, 4]),
    timestep: tf.tensor1d([...timesteps]),
    label: tf.tensor1d(labels, 'int32'),
  };
}
