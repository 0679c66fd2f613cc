import * as tf from "@tensorflow/tfjs";
import { quantizeCheckpoint } from "tfjs-hadanorm/load";
import { checkpointFiles } from "tfjs-hadanorm/node";
const folder = checkpointFiles("test/fixtures/checkpoints/dit");
const batches = [100, 500, 900].map((t) => ({
  latent: tf.randomNormal([2, 8, 8, 4]),
  // your own: noised latents of real pictures
  timestep: tf.tensor1d([t, t]),
  label: tf.tensor1d([0, 3], "int32")
}));
const { model, report } = await quantizeCheckpoint(folder, {
  batches,
  calibrate: { timestep: "timestep", disposeBatches: true }
});
console.log(report.totals.sqnr?.output, "dB");
model.dispose();
