import { readFile } from 'node:fs/promises';
import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import { io } from '@tensorflow/tfjs-core';
import { HadaNormError, InvalidArgumentError } from '../src/index.js';

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
  const folder = new URL(`./${name}/`, import.meta.url);
  const json: io.ModelJSON = JSON.parse(await readFile(new URL('model.json', folder), 'utf8'));
  return io.getModelArtifactsForJSON(json, async (manifest) => {
    const specs = manifest.flatMap(({ weights }) => weights);
    const paths = manifest.flatMap((group) => group.paths);
    const shards = await Promise.all(paths.map((path) => readFile(new URL(path, folder))));
    const data = Uint8Array.from(Buffer.concat(shards));
    const bytes = specs.reduce((sum, spec) => sum + bytesOf(spec), 0);
    if (data.length !== bytes) {
      const what = `the shards of ${name} hold ${data.length} bytes, not the ${bytes} of model.json`;
      throw new HadaNormError('loadTrained', `${what}.`);
    }
    return [specs, data.buffer];
  });
}

function bytesOf({ shape, quantization }: io.WeightsManifestEntry): number {
  return shape.reduce((product, dim) => product * dim, quantization === undefined ? 4 : 2);
}
