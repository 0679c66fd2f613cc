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
import { ScheduleCases } from '../../harness/models/scheduleCases.js';
import { describeOnWebgl } from '../../harness/webgl/webgl.js';

/** test/harness/browser/pages.ts serves test/fixtures here. */
const urlOf = (path: string) => new URL(`/fixtures/${path}`, location.href).href;
const checkpoint = (path: string) => urlOf(`checkpoints/${path}`);

async function bytesOf(url: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await fetch(url)).arrayBuffer());
}

describeOnWebgl('Published checkpoints from a server, on webgl', () => {
  for (const [name, options] of Object.entries(PUBLISHED)) {
    it(`${name}: what PyTorch gives, and nearly so at W4A8`, async () => {
      const file = await bytesOf(checkpoint(`expected/${name}.safetensors`));
      const { inputs, expected } = caseOf(file);
      // one as a person gives files to a page
      const weights = `${name}.safetensors`;
      const model = await loadCheckpoint(
        name === 'facebookDit'
          ? [new File([await bytesOf(checkpoint(`${name}/${weights}`))], weights)]
          : checkpoint(name),
        options,
      );
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

  it('each step of each schedule is that of diffusers within 1e-6', async () => {
    const json = await (await fetch(urlOf('schedules.json'))).text();
    const all = new ScheduleCases(json, await bytesOf(urlOf('schedules.safetensors')));
    for (const name of Object.keys(all.cases)) await all.check(name);
  });
});
