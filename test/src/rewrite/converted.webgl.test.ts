import * as tf from '@tensorflow/tfjs';
import { CONVERTED, convertedCase, expectRewritten } from '../../harness/models/convertedCases.js';
import { describeOnWebgl } from '../../harness/webgl/webgl.js';

/** test/harness/browser/pages.ts serves test/fixtures here. */
const urlOf = (path: string) => new URL(`/fixtures/graphs/${path}`, location.href).href;

describeOnWebgl('What other tools made, on webgl', () => {
  for (const name of CONVERTED) {
    it(`${name}: calibrated, rewritten exactly and to W4A8`, async () => {
      const file = await (await fetch(urlOf(`${name}/expected.safetensors`))).arrayBuffer();
      const model = await tf.loadGraphModel(urlOf(`${name}/float32/model.json`));
      await expectRewritten(model, convertedCase(new Uint8Array(file)), 'float32', 1e-3);
      model.dispose();
    });
  }
});
