import { readFile } from 'node:fs/promises';
import { io } from '@tensorflow/tfjs-core';
import { checkedSpecs, ELEMENT_BYTES } from '../src/graph/weightSpecs.js';
import { HadaNormError } from '../src/index.js';

/**
 * A graph model's files, model.json and its shards, as `tf.loadGraphModel(tf.io.fromMemory(…))`
 * takes them: in Node, with or without tfjs-node.
 *
 * @param folder Ends in a slash.
 * @throws HadaNormError when the shards are not as long as model.json says, or it says what no
 * weights are.
 */
export async function readGraphModel(folder: URL): Promise<io.ModelArtifacts> {
  const json: io.ModelJSON = JSON.parse(await readFile(new URL('model.json', folder), 'utf8'));
  return io.getModelArtifactsForJSON(json, async (manifest) => {
    const specs = manifest.flatMap(({ weights }) => weights);
    const paths = manifest.flatMap((group) => group.paths);
    const shards = await Promise.all(paths.map((path) => readFile(new URL(path, folder))));
    const data = Uint8Array.from(Buffer.concat(shards));
    checkedSpecs('readGraphModel', specs);
    const bytes = specs.reduce((sum, spec) => sum + bytesOf(spec), 0);
    // of strings there are as many bytes as there are: NaN
    if (data.length !== bytes && !Number.isNaN(bytes)) {
      const what = `the shards in ${folder.pathname} hold ${data.length} bytes`;
      const problem = `${what}, not the ${bytes} of model.json; get them again.`;
      throw new HadaNormError('readGraphModel', problem);
    }
    return [specs, data.buffer];
  });
}

/** As the file stores it; NaN for strings. */
function bytesOf({ shape, dtype, quantization }: io.WeightsManifestEntry): number {
  const width = ELEMENT_BYTES[quantization?.dtype ?? dtype] ?? Number.NaN;
  return shape.reduce((product, dim) => product * dim, width);
}
