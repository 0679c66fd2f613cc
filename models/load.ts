import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import { io } from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../src/index.js';
import { readGraphModel } from './readGraphModel.js';

/** The trained models that are in this folder. */
export const TRAINED = ['avatars', 'avatars-nano', 'fashion'] as const;

/** The name of a trained model. */
export type TrainedName = (typeof TRAINED)[number];

/**
 * A trained DiT on the current backend, in Node with or without tfjs-node. Weights are float16 in the files and float32
 * in the model. In a browser, `tf.loadGraphModel` loads the same files by the URL of model.json.
 *
 * @throws InvalidArgumentError for a name that is none of `TRAINED`.
 */
export async function loadTrained(name: TrainedName): Promise<GraphModel> {
  return loadGraphModel(io.fromMemory(await trainedArtifacts(name)));
}

/** A trained DiT as `loadTrained` loads it, before it is loaded. `userDefinedMetadata.dit` is its DitConfig. */
export async function trainedArtifacts(name: TrainedName): Promise<io.ModelArtifacts> {
  if (!TRAINED.includes(name)) {
    throw new InvalidArgumentError('loadTrained', 'name', TRAINED.join(' or '), `${name}`);
  }
  return readGraphModel(new URL(`./${name}/`, import.meta.url));
}
