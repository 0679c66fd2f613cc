import { plan } from "tfjs-hadanorm";
export async function runAll(model, inputs, see) {
  const [first] = inputs;
  if (first === void 0) return;
  const step = await plan(model, first);
  try {
    for (const [i, given] of inputs.entries()) {
      const output = step.run(given);
      await see(output, i);
      output.dispose();
    }
  } finally {
    step.dispose();
  }
}
