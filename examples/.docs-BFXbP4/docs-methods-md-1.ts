import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import {
  calibrate,
  describeGraph,
  rewriteGraphAsync,
  saveQuantized,
} from 'tfjs-hadanorm';
import { reportTable } from 'tfjs-hadanorm/report';
import { loadTrained } from '../../models/load.js'; // your own: await tf.loadGraphModel(url)
// your own: any iterable of the model's inputs
import { trajectory } from '../../src/diffusion/sampler.js';

await tf.setBackend('wasm');
const model = await loadTrained('avatars-nano');
console.log(`${describeGraph(model)}`); // what was found, and by what

// inputs as the model meets them: a few steps of a denoising trajectory
const batches = trajectory(model, { labels: [0, 5, 10, 15], steps: 10, seed: 1, keep: [1, 5, 9] });
const stats = await calibrate(model, batches, { timestep: 'timestep', disposeBatches: true });

const { model: small, report } = await rewriteGraphAsync(model, {
  stats,
  weights: { bits: 4 }, // groups of 64, GPTQ
  activations: { bits: 8 }, // per token
  rules: [
    { role: 'mlp.out', weights: { bits: 8 } },
    { match: /blocks\/0\//, treatment: 'weightOnly' },
  ],
  compare: false, // do not measure the other methods for the report
});
model.dispose(); // the two share what was not quantized; dispose in any order
console.log(reportTable(report, { by: 'role' }));

const memory = tf.io.withSaveHandler(async (artifacts) => ({
  modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts),
}));
// or 'indexeddb://small', 'downloads://small', with tfjs-node 'file://small'
await saveQuantized(small, memory);
