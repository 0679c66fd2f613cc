import "@tensorflow/tfjs";
import { quantizeCheckpoint } from "tfjs-hadanorm/load";
import { checkpointFiles } from "tfjs-hadanorm/node";
const folder = checkpointFiles("test/fixtures/checkpoints/flux");
const sizes = { height: 6, width: 8, textTokens: 5 };
const { model, report } = await quantizeCheckpoint(folder, {
  ...sizes,
  preset: "W4A8",
  onProgress: ({ stage, done, total }) => console.log(`${stage} ${done} of ${total}`)
});
console.log(report.totals.modelBytes);
model.dispose();
