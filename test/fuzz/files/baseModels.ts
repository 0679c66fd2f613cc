import * as tf from '@tensorflow/tfjs';
import {
  type CalibrationStats,
  calibrate,
  type RewriteOptions,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { tinyArtifacts } from '../../harness/models/tinyDit.js';
import { useBackend } from '../base/backends.js';
import { Random } from '../base/random.js';

/** Models of one block and few channels: a case is to take milliseconds. */
const CONFIG = { inputSize: 4, hiddenSize: 16, numHeads: 2, mlpRatio: 2 };

/** One of every way to pack. */
const WAYS: readonly RewriteOptions[] = [
  { weights: { bits: 4, groupSize: 16 } },
  {
    ...{ weights: { bits: 3, groupSize: 10 }, rotate: true, meanRank: 2 },
    activations: { bits: 4, granularity: 'perGroup', groupSize: 8 },
  },
  { weights: { bits: 8 }, activations: { bits: 8, symmetric: true }, lowRank: 2 },
  { mode: 'simulate', weights: { bits: 5, groupSize: 7 }, activations: { bits: 4 } },
  {
    ...{ method: 'smoothquant', weights: { bits: 2 }, mode: 'integer' },
    activations: { bits: 8, range: 'static', granularity: 'perTensor' },
  },
];

/** What files are made of. */
export interface BaseModels {
  readonly original: tf.io.ModelArtifacts;
  readonly packed: readonly tf.io.ModelArtifacts[];
  readonly stats: CalibrationStats;
}

let made: Promise<BaseModels> | null = null;

/** The models, made once. */
export function baseModels(): Promise<BaseModels> {
  made ??= make();
  return made;
}

async function make(): Promise<BaseModels> {
  await useBackend('cpu');
  const original = tinyArtifacts(CONFIG);
  const model = await tf.loadGraphModel(tf.io.fromMemory(original));
  const stats = await calibrate(model, [smallBatch(1), smallBatch(2)], {
    ...{ timestep: 'timestep', samples: 2, tokensPerSample: 4, disposeBatches: true },
  });
  const packed: tf.io.ModelArtifacts[] = [];
  for (const options of WAYS) {
    const { model: small } = rewriteGraph(model, { stats, compare: false, ...options });
    packed.push(await artifactsOf(small));
    small.dispose();
  }
  model.dispose();
  return { original, packed, stats };
}

/** What a model is saved as. */
async function artifactsOf(model: tf.GraphModel): Promise<tf.io.ModelArtifacts> {
  let saved: tf.io.ModelArtifacts = {};
  const keep = async (artifacts: tf.io.ModelArtifacts) => {
    saved = artifacts;
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
  };
  await saveQuantized(model, { save: keep });
  return saved;
}

/** What the models take; each number times `factor`. */
export function smallBatch(seed: number, factor = 1): tf.NamedTensorMap {
  const random = new Random(seed);
  return {
    latent: tf.tensor4d(
      random.normals(2 * 64).map((v) => v * factor),
      [2, 4, 4, 4],
    ),
    timestep: tf.tensor1d([0.25 * factor, 0.75 * factor]),
    label: tf.tensor1d([1, 2], 'int32'),
  };
}
