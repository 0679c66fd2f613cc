import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fill, type Tensor4D, tensor1d, tidy, util } from '@tensorflow/tfjs-core';
import { planOf } from '../../../src/diffusion/samplePlan.js';
import { sample, seededNormal, type VelocityModel } from '../../../src/diffusion/sampler.js';
import { HadaNormError } from '../../../src/index.js';
import { writeWhole } from '../../../src/node/wholeFiles.js';
import type { FeatureNetwork } from '../features.js';
import { OFFLINE_BATCH } from './plan.js';
import { batchesOf, type Watched } from './recording.js';
import { read } from './subject.js';

/** Features of samples. */
export interface SampledFeatures {
  /** [count, width]. */
  readonly features: Float32Array;
  /** The class that is read in each, and the one that was asked for: [count]. */
  readonly classes: Int32Array;
  readonly labels: readonly number[];
}

/** Which samples. */
export interface SampledOptions {
  /** Names the files of these samples; the model's own answer is added to it. */
  readonly name: string;
  readonly cache: string;
  readonly classes: number;
  /** A multiple of `OFFLINE_BATCH`. */
  readonly count: number;
  readonly steps: number;
  readonly seed: number;
}

/**
 * Draws samples and keeps what the network sees in them, a file for each batch, so that a run can
 * be cut off and go on, and several processes can share what they drew. Files are named by what the
 * model and the network give for seeded noise: of another model, or one quantized otherwise, none
 * is taken.
 *
 * @throws HadaNormError for a file that is not as long as it should be.
 */
export async function sampledFeatures(
  model: VelocityModel,
  network: FeatureNetwork,
  { name, cache, classes, count, steps, seed }: SampledOptions,
  { signal, onRun }: Watched,
): Promise<SampledFeatures> {
  const key = `${name}-steps${steps}-seed${seed}-${await fingerprintOf(model, network)}`;
  const folder = join(cache, key);
  await mkdir(folder, { recursive: true });
  const batches = batchesOf(count, classes, seed, OFFLINE_BATCH);
  const parts = new Array<{ features: Float32Array; classes: Int32Array }>(batches.length);
  // each process in an order of its own, so that those side by side draw different ones
  for (const i of util.createShuffledIndices(batches.length)) {
    const batch = batches[i]!;
    signal.throwIfAborted();
    const file = join(folder, `${`${i}`.padStart(4, '0')}.bin`);
    const kept = await readPart(file);
    if (kept !== null) {
      for (let step = 0; step < steps; step++) onRun();
      parts[i] = kept;
      continue;
    }
    const pictures = await sample(model, { ...batch, steps, signal, onProgress: () => onRun() });
    try {
      const described = await read(network, pictures);
      parts[i] = described;
      await writePart(file, described);
    } finally {
      pictures.dispose();
    }
  }
  const width = parts[0]!.features.length / OFFLINE_BATCH;
  const features = new Float32Array(count * width);
  const seen = new Int32Array(count);
  parts.forEach((part, i) => {
    features.set(part.features, i * OFFLINE_BATCH * width);
    seen.set(part.classes, i * OFFLINE_BATCH);
  });
  return { features, classes: seen, labels: batches.flatMap(({ labels }) => labels) };
}

/**
 * A name for what a model and a network do: of the velocity for seeded noise, and of its features.
 */
async function fingerprintOf(model: VelocityModel, network: FeatureNetwork): Promise<string> {
  const { shape } = planOf('sampledFeatures', model, { labels: [0] });
  const velocity = tidy(() =>
    model.predict({
      latent: seededNormal(shape, 1),
      timestep: fill([1], 0.5),
      label: tensor1d([0], 'int32'),
    }),
  ) as Tensor4D;
  try {
    const hash = createHash('sha256').update(Float32Array.from(await velocity.data()));
    const { features } = await read(network, velocity);
    return hash.update(features).digest('hex').slice(0, 12);
  } finally {
    velocity.dispose();
  }
}

/** Classes as float32 behind the features: exact, they are small. */
async function writePart(
  file: string,
  { features, classes }: { features: Float32Array; classes: Int32Array },
): Promise<void> {
  const whole = new Float32Array(features.length + classes.length);
  whole.set(features);
  whole.set(classes, features.length);
  await writeWhole(dirname(file), [[basename(file), new Uint8Array(whole.buffer)]]);
}

async function readPart(
  file: string,
): Promise<{ features: Float32Array; classes: Int32Array } | null> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (bytes === null) return null;
  if (bytes.length === 0 || bytes.length % (4 * OFFLINE_BATCH) !== 0) {
    const what = `${file} holds ${bytes.length} bytes, not rows of ${OFFLINE_BATCH} pictures`;
    throw new HadaNormError('evaluate', `${what}; delete it.`);
  }
  const whole = new Float32Array(Uint8Array.from(bytes).buffer);
  const at = whole.length - OFFLINE_BATCH;
  return { features: whole.slice(0, at), classes: Int32Array.from(whole.subarray(at)) };
}
