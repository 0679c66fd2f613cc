import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { io } from '@tensorflow/tfjs-core';
import { exactHalfBits } from '../ops/numerics/half.js';

const SHARD_BYTES = 4 * 1024 * 1024;

/**
 * Writes model.json and the shards into a folder, in the place of those that are there. Weights
 * that half precision holds exactly are stored in it.
 */
export async function saveGraphModel(artifacts: io.ModelArtifacts, folder: string): Promise<void> {
  const { weightSpecs = [], weightData, modelTopology, ...about } = artifacts;
  const { specs, data } = asHalves(weightSpecs, io.CompositeArrayBuffer.join(weightData));
  const count = Math.ceil(data.length / SHARD_BYTES);
  const paths = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`);
  const json = { ...about, modelTopology, weightsManifest: [{ paths, weights: specs }] };
  await mkdir(folder, { recursive: true });
  for (const old of await readdir(folder)) {
    if (/^group1-shard\d+of\d+\.bin$/.test(old)) await rm(join(folder, old));
  }
  for (const [i, path] of paths.entries()) {
    await writeFile(join(folder, path), data.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES));
  }
  await writeFile(join(folder, 'model.json'), `${JSON.stringify(json)}\n`);
}

/**
 * Stores every float weight that half precision holds exactly as float16, and the others as they
 * are.
 */
function asHalves(
  specs: readonly io.WeightsManifestEntry[],
  data: ArrayBuffer,
): { specs: io.WeightsManifestEntry[]; data: Uint8Array } {
  const written: io.WeightsManifestEntry[] = [];
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const spec of specs) {
    const bytes = 4 * spec.shape.reduce((product, dim) => product * dim, 1);
    const part = data.slice(at, at + bytes);
    at += bytes;
    const halves = spec.dtype === 'float32' ? halvesOf(new Float32Array(part)) : undefined;
    parts.push(new Uint8Array(halves?.buffer ?? part));
    written.push(halves === undefined ? spec : { ...spec, quantization: { dtype: 'float16' } });
  }
  return { specs: written, data: Buffer.concat(parts) };
}

function halvesOf(values: Float32Array): Uint16Array<ArrayBuffer> | undefined {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const half = exactHalfBits(values[i]!);
    if (half === undefined) return undefined;
    halves[i] = half;
  }
  return halves;
}
