import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import { io } from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../src/index.js';
import { fileSystem } from '../src/node.js';
import { stressArtifacts } from './stress.js';

/** The trained models that are in this folder. */
export const TRAINED = ['avatars', 'avatars-nano', 'fashion'] as const;

/**
 * Synthetic variants of trained models: the same function with the outliers of large models, made
 * by `stressArtifacts` when they are loaded.
 */
export const STRESSED = ['avatars-nano-stress'] as const;

/** The name of a trained model, or of a synthetic variant of one. */
export type TrainedName = (typeof TRAINED)[number] | (typeof STRESSED)[number];

/**
 * A trained DiT on the current backend, in Node with or without tfjs-node. Weights are float16 in
 * the files and float32 in the model. In a browser, `tf.loadGraphModel` loads the same files by the
 * URL of model.json.
 *
 * @throws InvalidArgumentError for a name that is neither of `TRAINED` nor of `STRESSED`.
 */
export async function loadTrained(name: TrainedName): Promise<GraphModel> {
  return loadGraphModel(io.fromMemory(await trainedArtifacts(name)));
}

/**
 * A trained DiT as `loadTrained` loads it, before it is loaded. `userDefinedMetadata.dit` is its
 * DitConfig; a synthetic variant has `userDefinedMetadata.stress` too.
 */
export async function trainedArtifacts(name: TrainedName): Promise<io.ModelArtifacts> {
  const names: readonly TrainedName[] = [...TRAINED, ...STRESSED];
  if (!names.includes(name)) {
    throw new InvalidArgumentError('loadTrained', 'name', names.join(' or '), `${name}`);
  }
  const stressed = name === 'avatars-nano-stress';
  const folder = stressed ? 'avatars-nano' : name;
  const artifacts = await fileSystem(new URL(folder, import.meta.url)).load();
  return stressed ? stressArtifacts(artifacts) : artifacts;
}
