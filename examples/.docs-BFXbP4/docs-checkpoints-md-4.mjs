import * as tf from "@tensorflow/tfjs";
import { loadQuantized, saveQuantized } from "tfjs-hadanorm";
import { opfs, quantizeCheckpoint } from "tfjs-hadanorm/load";
import { checkpointFiles } from "tfjs-hadanorm/node";
const { model } = await quantizeCheckpoint(checkpointFiles("test/fixtures/checkpoints/dit"));
if (globalThis.navigator?.storage?.getDirectory) {
  const onProgress = ({ stage, done, total }) => console.log(`${stage} ${done} of ${total}`);
  await saveQuantized(model, opfs("models/dit", { onProgress }));
  const again = await loadQuantized(opfs("models/dit", { onProgress }));
  console.log(again.inputs.length, tf.memory().numBytes);
}
model.dispose();
