import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { loadTrained, TRAINED } from '../../../models/load.js';
import { parseSafetensors } from '../../../src/load/safetensors.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { velocity } from '../../harness/models/velocity.js';
import { expectWithin, maxMagnitude } from '../../harness/numbers/compare.js';
import { expectNoLeak } from '../../harness/run/memory.js';

/** What PyTorch says; test/fixtures/generate/ditVelocity.py wrote it. */
const FIXTURE = parseSafetensors(
  readFileSync(new URL('../../fixtures/ditVelocity.safetensors', import.meta.url)),
);

describeOnBackends('Trained models against PyTorch', () => {
  for (const name of TRAINED) {
    it(`${name} gives the same velocity within 1e-4`, async () => {
      const model = await loadTrained(name);
      const read = (part: string) => FIXTURE.get(`${name}/${part}`)!;
      const inputs = { latent: read('latent'), timestep: read('timestep'), label: read('label') };
      const { values } = read('velocity');
      expect(maxMagnitude(values)).to.be.above(0.5);
      expectNoLeak(() => expectWithin(velocity(model, inputs), values, 1e-4));
      model.dispose();
    });
  }
});
