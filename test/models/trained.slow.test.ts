import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit, type DitConfig, ditWeightShapes } from '../../models/builder/dit.js';
import { loadTrained, TRAINED, type TrainedName, trainedArtifacts } from '../../models/load.js';
import { ROOT } from '../../scripts/process.js';
import { sample } from '../../src/diffusion/sampler.js';
import { InvalidArgumentError } from '../../src/index.js';
import { describeOnBackends } from '../harness/backends/onBackends.js';
import { mean, std } from '../harness/numbers/statistics.js';
import { expectNoLeakAsync } from '../harness/run/memory.js';

/** Labels of the trained models. */
const PLANETS = 0;
const LORELEI = 12;

describeOnBackends('Trained models', (backend) => {
  if (backend === 'cpu') return; // a minute and more of plain loops
  it('avatars-nano draws pictures: dark space around a planet, black lines on white', async () => {
    await expectNoLeakAsync(async () => {
      const model = await loadTrained('avatars-nano');
      const x = await sample(model, { labels: [PLANETS, LORELEI], steps: 6, cfg: 1.5 });
      expect(x.shape).to.deep.equal([2, 32, 32, 3]);
      const [planet, face] = tf.tidy(() => tf.unstack(x).map((image) => image.dataSync()));
      for (const pixels of [planet!, face!]) {
        expect(pixels.filter((v) => Math.abs(v) > 1.3).length / pixels.length).to.be.below(0.01);
        expect(std(pixels)).to.be.above(0.2);
      }
      expect(mean(planet!.slice(0, 32 * 3)), 'upper edge of space').to.be.below(-0.4);
      expect(mean(face!.slice(0, 32 * 3)), 'upper edge of the paper').to.be.above(0.7);
      x.dispose();
      model.dispose();
    });
  });
});

describe('Files of trained models', () => {
  for (const name of TRAINED) {
    it(`${name} is at most 4 MiB a shard, and its weights are float16`, async () => {
      const folder = join(ROOT, 'models', name);
      for (const file of readdirSync(folder)) {
        expect(readFileSync(join(folder, file)).length, file).to.be.at.most(4 * 2 ** 20);
      }
      const { weightSpecs = [], userDefinedMetadata } = await trainedArtifacts(name);
      for (const { quantization, shape, name: weight } of weightSpecs) {
        const size = shape.reduce((product, dim) => product * dim, 1);
        if (size > 128) expect(quantization?.dtype, weight).to.equal('float16');
      }
      expect(userDefinedMetadata).to.have.nested.property(
        'dit.numClasses',
        name === 'fashion' ? 10 : 16,
      );
    });
  }

  for (const name of TRAINED) {
    it(`${name} is the graph that the builder builds today`, async () => {
      const { modelTopology, signature, userDefinedMetadata } = await trainedArtifacts(name);
      const { dit } = userDefinedMetadata as { dit: DitConfig };
      const weights = [...ditWeightShapes(dit)].map(([weight, shape]) => {
        const size = shape.reduce((product, dim) => product * dim, 1);
        return [weight, { shape, values: new Float32Array(size) }] as const;
      });
      const built = buildDit(dit, new Map(weights));
      expect(modelTopology).to.deep.equal(built.modelTopology);
      expect(signature).to.deep.equal(built.signature);
    });
  }

  it('another name gets a typed error', async () => {
    const error = await loadTrained('dall-e' as TrainedName).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(InvalidArgumentError);
    const wanted = 'avatars or avatars-nano or fashion or avatars-nano-stress';
    expect(`${error}`).to.include(`name must be ${wanted}, got dall-e.`);
  });
});
