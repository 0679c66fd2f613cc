import * as tf from "@tensorflow/tfjs";
import { calibrateOnTrajectories, quantize } from "tfjs-hadanorm";
import { denoise, loadCheckpoint, noiseSchedule } from "tfjs-hadanorm/load";
import { checkpointFiles } from "tfjs-hadanorm/node";
const model = await loadCheckpoint(checkpointFiles("test/fixtures/checkpoints/dit"));
const config = { _class_name: "DDIMScheduler", beta_schedule: "linear", clip_sample: false };
const label = tf.tensor1d([0, 2], "int32");
const sampling = {
  schedule: noiseSchedule(config, { steps: 4 }),
  inputs: { label },
  // all that the model takes besides latent and timestep
  guidance: { scale: 4, inputs: { label: tf.tensor1d([5, 5], "int32") } }
  // 5 stands for none
};
const stats = await calibrateOnTrajectories(model, sampling);
const { model: small } = await quantize(model, stats, { preset: "W4A8" });
const latents = await denoise(small, { ...sampling, seed: 1 });
