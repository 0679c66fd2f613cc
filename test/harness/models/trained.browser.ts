import * as tf from '@tensorflow/tfjs';
import { quantizedFiles } from '../../../src/index.js';

// test/harness/browser/pages.ts serves models/, and keeps what is PUT under /kept/ for this page
// and those after it

export function loadNano(): Promise<tf.GraphModel> {
  return tf.loadGraphModel('/models/avatars-nano/model.json');
}

export async function keep(
  name: string,
  model: tf.GraphModel,
  output: Float32Array<ArrayBuffer>,
): Promise<void> {
  for (const [file, bytes] of await quantizedFiles(model)) await put(`${name}/${file}`, bytes);
  // last: it says that there is a model
  await put(`${name}.output`, output);
}

export async function keptOutput(name: string): Promise<Float32Array | null> {
  const response = await fetch(`/kept/${name}.output`);
  return response.ok ? new Float32Array(await response.arrayBuffer()) : null;
}

export function loadKept(name: string): Promise<tf.GraphModel> {
  return tf.loadGraphModel(`/kept/${name}/model.json`);
}

async function put(path: string, body: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>) {
  const response = await fetch(`/kept/${path}`, { method: 'PUT', body });
  if (!response.ok) throw new Error(`${path} is not kept: ${await response.text()}`);
}
