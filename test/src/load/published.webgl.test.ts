import { expect } from 'chai';
import { rewriteGraph } from '../../../src/index.js';
import { loadCheckpoint } from '../../../src/load.js';
import {
  caseOf,
  DISTINCT,
  outputOf,
  PUBLISHED,
  relative,
} from '../../harness/models/publishedCases.js';
import { describeOnWebgl } from '../../harness/webgl/webgl.js';

/** test/harness/browser/pages.ts serves test/fixtures here. */
const urlOf = (path: string) => new URL(`/fixtures/checkpoints/${path}`, location.href).href;

describeOnWebgl('Published checkpoints from a server, on webgl', () => {
  for (const [name, options] of Object.entries(PUBLISHED)) {
    it(`${name}: what PyTorch gives, and nearly so at W4A8`, async () => {
      const response = await fetch(urlOf(`expected/${name}.safetensors`));
      const file = new Uint8Array(await response.arrayBuffer());
      const { inputs, expected } = caseOf(file);
      // the file of weights where there is no config.json beside it
      const folder = name === 'facebookDit' ? `${name}/${name}.safetensors` : name;
      const model = await loadCheckpoint(urlOf(folder), options);
      const exact = await outputOf(model, inputs);
      expect(relative(exact, expected)).to.be.below(1e-3);
      if (DISTINCT.includes(name)) {
        const { model: small } = rewriteGraph(model, { method: 'hadamard', compare: false });
        const near = await outputOf(small, caseOf(file).inputs);
        expect(relative(near, exact)).to.be.within(1e-4, 0.2);
        small.dispose();
      }
      model.dispose();
    });
  }
});
