import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit, type DitConfig, ditWeightShapes } from '../../models/builder/dit.js';
import { loadTrained, TRAINED, type TrainedName, trainedArtifacts } from '../../models/load.js';
import { seededDitWeights } from '../../models/seeded.js';
import { ROOT } from '../../scripts/process.js';
import { sample } from '../../src/diffusion/sampler.js';
import { InvalidArgumentError } from '../../src/index.js';
import { describeOnBackends } from '../harness/backends/onBackends.js';
import { CHILD_ENV, runNode } from '../harness/run/child.js';
import { expectNoLeakAsync } from '../harness/run/memory.js';
import { bytesOf, safetensorsOf } from '../src/load/safetensorsBytes.js';
import { mean, std } from './statistics.js';

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

describe('models/research/training/convert.ts', () => {
  const CONFIG: DitConfig = {
    inputSize: 4,
    patchSize: 2,
    channels: 1,
    hiddenSize: 8,
    depth: 2,
    numHeads: 2,
    mlpRatio: 2,
    numClasses: 3,
  };
  const script = join(ROOT, 'models', 'research', 'training', 'convert.ts');
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'convert-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('writes the model that the builder builds of the same weights', () => {
    const weights = seededDitWeights(CONFIG, 3);
    const tensors = [...weights].map(([name, { shape, values }]) => [
      name,
      { dtype: 'F32', shape, bytes: bytesOf(values, 4, 'setFloat32') },
    ]);
    const files = [0, 1].map((shard) => {
      const file = join(folder, `${shard}.safetensors`);
      const part = tensors.filter((_, i) => i % 2 === shard);
      writeFileSync(file, safetensorsOf(Object.fromEntries(part)));
      return file;
    });
    const out = join(folder, 'out');
    runNode(['--import', 'tsx', script, ...files, '--heads', '2', '--out', out]);
    const { weightsManifest, ...json } = JSON.parse(
      readFileSync(join(out, 'model.json'), 'utf8'),
    ) as tf.io.ModelJSON;
    const { weightSpecs, weightData, ...built } = buildDit(CONFIG, weights);
    expect(json).to.deep.equal(JSON.parse(JSON.stringify(built)));
    const [group] = weightsManifest;
    const bytes = Uint8Array.from(readFileSync(join(out, group!.paths[0]!)));
    const written = tf.io.decodeWeights(bytes.buffer, group!.weights);
    const expected = tf.io.decodeWeights(weightData!, weightSpecs!);
    for (const [name, tensor] of Object.entries(expected)) {
      expect(written[name]!.dataSync(), name).to.deep.equal(tensor.dataSync());
    }
    tf.dispose([written, expected]);
  });

  it('without its arguments says what it wants', () => {
    const options = { cwd: ROOT, encoding: 'utf8', env: CHILD_ENV } as const;
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script], options);
    expect(status).to.equal(1);
    expect(stderr).to.include('convert: wants safetensors files, --heads and --out.');
  });
});
