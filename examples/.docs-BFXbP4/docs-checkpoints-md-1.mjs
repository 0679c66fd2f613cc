import * as tf from "@tensorflow/tfjs";
import { describeGraph } from "tfjs-hadanorm";
import { loadCheckpoint } from "tfjs-hadanorm/load";
import { checkpointFiles } from "tfjs-hadanorm/node";
const folder = checkpointFiles("test/fixtures/checkpoints/pixartSigma");
const model = await loadCheckpoint(folder, { textTokens: 6 });
console.log(`${describeGraph(model)}`);
const prediction = model.predict({
  latent: tf.randomNormal([1, 8, 8, 4]),
  timestep: tf.tensor1d([999]),
  text: tf.randomNormal([1, 6, 20]),
  textMask: tf.tensor2d([[1, 1, 1, 1, 0, 0]], [1, 6], "int32")
});
