/**
 * The trained DiT avatars-nano, and a place for what was made of it. In a browser,
 * trained.browser.ts takes this file's place.
 */
import * as tf from '@tensorflow/tfjs';
import { loadTrained } from '../../../models/load.js';
import { saveQuantized } from '../../../src/index.js';

const models = new Map<string, tf.io.ModelArtifacts>();
const numbers = new Map<string, Float32Array>();

/** The original on the current backend. */
export function loadNano(): Promise<tf.GraphModel> {
  return loadTrained('avatars-nano');
}

/** Keeps a rewritten model, packed, under a name, with what it gives. */
export async function keep(
  name: string,
  model: tf.GraphModel,
  output: Float32Array,
): Promise<void> {
  const handler = tf.io.withSaveHandler(async (artifacts) => {
    models.set(name, artifacts);
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
  });
  await saveQuantized(model, handler);
  numbers.set(name, output);
}

/** What a kept model gave where it was made; null where none is kept. */
export async function keptOutput(name: string): Promise<Float32Array | null> {
  return numbers.get(name) ?? null;
}

/** A kept model on the current backend. */
export function loadKept(name: string): Promise<tf.GraphModel> {
  return tf.loadGraphModel(tf.io.fromMemory(models.get(name)!));
}
