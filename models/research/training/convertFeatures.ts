/**
 * Writes a feature network as a tfjs graph model, and what it sees in real pictures: reference.bin,
 * float16 [2, 4096, 128], of the pictures that were trained on and of those that were kept from it,
 * as many of each class as of the others.
 *
 * Run: npx tsx models/research/training/convertFeatures.ts avatars-features.safetensors --data
 * /data/avatars --name avatars
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import cliProgress from 'cli-progress';
import { halfBitsOf } from '../../../ops/numerics/half.js';
import { needed, orExit, readFlags } from '../../../src/cli/flags.js';
import { oneOf, text } from '../../../src/cli/readers.js';
import { HadaNormError } from '../../../src/index.js';
import { parseSafetensors } from '../../../src/load/safetensors.js';
import { saveGraphModel } from '../../saveGraphModel.js';
import { buildFeatureNetwork } from '../featureGraph.js';
import { FEATURE_NETWORKS, FeatureNetwork } from '../features.js';
import { type Picture, readDataset } from './dataset.js';

/** Pictures of each part of the reference. */
const COUNT = 4096;
const BATCH = 128;

const FLAGS = { data: needed(text('FOLDER')), name: needed(oneOf(FEATURE_NETWORKS)) };
const { values: flags, others } = orExit(() =>
  readFlags('convertFeatures', FLAGS, process.argv.slice(2), { others: 'FILE' }),
);
const [weightFile] = others;
if (weightFile === undefined) {
  console.error('convertFeatures wants a safetensors file, --data and --name.');
  process.exit(2);
}

const folder = new URL(`../${flags.name}-features/`, import.meta.url);
const { info, pictures } = await readDataset(flags.data);
const config = { classes: info.classes, heads: info.attributes };
const weights = parseSafetensors(readFileSync(weightFile));
await saveGraphModel(buildFeatureNetwork(config, weights), fileURLToPath(folder));

await tf.setBackend('wasm');
const network = await FeatureNetwork.load(flags.name);
const bar = new cliProgress.SingleBar({ format: 'describe [{bar}] {value}/{total}' });
bar.start(2 * COUNT, 0);
const parts: Awaited<ReturnType<typeof describeAll>>[] = [];
for (const heldOut of [false, true]) {
  const chosen = balanced(pictures.filter((picture) => picture.heldOut === heldOut));
  parts.push(await describeAll(chosen));
}
bar.stop();
network.dispose();
const features = parts.flatMap((part) => part.features);
await writeFile(
  new URL('reference.bin', folder),
  Buffer.concat(features.map((part) => new Uint8Array(halfBitsOf(part).buffer))),
);
for (const [i, part] of ['trained on', 'held out'].entries()) {
  const { right } = parts[i]!;
  console.log(`${part}: class accuracy ${(right / COUNT).toFixed(4)}`);
}

/** The first of each class. */
function balanced(all: readonly Picture[]): Picture[] {
  const classes = info.classes.length;
  const rows = Array.from({ length: classes }, (_, label) =>
    all.filter((picture) => picture.label === label),
  );
  return Array.from({ length: COUNT }, (_, i) => {
    const picture = rows[i % classes]![Math.floor(i / classes)];
    if (picture !== undefined) return picture;
    throw new HadaNormError('convertFeatures', `wants ${COUNT} pictures of each part.`);
  });
}

async function describeAll(
  chosen: readonly Picture[],
): Promise<{ features: Float32Array[]; right: number }> {
  const features: Float32Array[] = [];
  let right = 0;
  for (let at = 0; at < chosen.length; at += BATCH) {
    const batch = chosen.slice(at, at + BATCH);
    const bytes = tf.tensor4d(Float32Array.from(Buffer.concat(batch.map(({ pixels }) => pixels))), [
      batch.length,
      info.size,
      info.size,
      3,
    ]);
    const scaled = tf.tidy(() => tf.sub<tf.Tensor4D>(tf.div(bytes, 127.5), 1));
    const seen = await network.describe(scaled);
    tf.dispose([bytes, scaled]);
    features.push(seen.features);
    right += batch.filter(({ label }, i) => seen.classes[i] === label).length;
    bar.increment(batch.length);
  }
  return { features, right };
}
