import * as tf from '@tensorflow/tfjs-core';
import { loadQuantized, saveQuantized } from '../../src/index.js';
import { opfs } from '../../src/load.js';
import type { FullSizeName } from './fullSizeModels.js';
import type { PageWatch } from './fullSizeWatch.js';
import { stepOf } from './fullSizeWork.js';

/**
 * Loads what is kept in a folder of the page's own file system, saves it again, and runs a step;
 * loading and saving are cancelled on the way first.
 * @throws Error where something is left of what was cancelled, or is not the same again.
 */
export async function fullSizeKept(
  folder: string,
  watch: PageWatch,
  name: FullSizeName,
): Promise<void> {
  const before = tf.memory().numTensors;
  const midway = ({ done, total }: { done: number; total: number | null }) => 2 * done >= total!;
  await watch.cancelled('loading', midway, (options) => loadQuantized(opfs(folder, options)));
  if (tf.memory().numTensors !== before) throw new Error('there are tensors of what was cancelled');
  const model = await watch.timed('loaded', (onProgress) =>
    loadQuantized(opfs(folder, { onProgress: (progress) => void onProgress(progress) })),
  );
  const again = `${folder}-again`;
  await watch.cancelled('saving', midway, (options) => saveQuantized(model, opfs(again, options)));
  const left = await filesIn(again);
  if (left.length > 0) throw new Error(`of what was cancelled there is ${left}`);
  await watch.timed('saved again', (onProgress) => {
    const told = {
      onProgress: (progress: Parameters<typeof onProgress>[0]) => void onProgress(progress),
    };
    return saveQuantized(model, opfs(again, told));
  });
  if ((await sealOf(folder)) !== (await sealOf(again))) throw new Error('it is not the same again');
  await watch.timed('one step', () => stepOf(model, name));
  model.dispose();
  const root = await navigator.storage.getDirectory();
  for (const made of [folder, again]) await root.removeEntry(made, { recursive: true });
}

async function filesIn(folder: string): Promise<string[]> {
  const root = await navigator.storage.getDirectory();
  const names: string[] = [];
  for await (const name of (await root.getDirectoryHandle(folder)).keys()) names.push(name);
  return names;
}

/** The checksums of a saved model's graph and of each of its weights. */
async function sealOf(folder: string): Promise<string> {
  const root = await navigator.storage.getDirectory();
  const handle = await (await root.getDirectoryHandle(folder)).getFileHandle('model.json');
  const { userDefinedMetadata } = JSON.parse(await (await handle.getFile()).text());
  return JSON.stringify(userDefinedMetadata.hadanorm);
}
