import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit, type DitConfig } from '../../models/builder/dit.js';
import { openModel } from '../../models/openModel.js';
import { saveGraphModel } from '../../models/saveGraphModel.js';
import { seededDitWeights } from '../../models/seeded.js';
import { InvalidArgumentError } from '../../src/index.js';
import { TINY } from '../harness/models/tinyDit.js';
import { withServer } from '../harness/run/files.js';
import { rejection } from '../harness/run/rejection.js';

describe('openModel', () => {
  let folder = '';
  before(async () => {
    await tf.setBackend('cpu');
    folder = mkdtempSync(join(tmpdir(), 'open-model-'));
    await saveGraphModel(buildDit(TINY, seededDitWeights(TINY, 1)), folder);
  });
  after(() => rmSync(folder, { recursive: true }));

  const configOf = async (source: string): Promise<DitConfig> => {
    const model = await openModel(source);
    expect(model.inputs.map(({ name }) => name)).to.have.members(['latent', 'timestep', 'label']);
    model.dispose();
    return (model.metadata as unknown as { dit: DitConfig }).dit;
  };

  it('opens a trained model by its name', async () => {
    expect(await configOf('avatars-nano')).to.include({ inputSize: 32, numClasses: 16 });
  });

  it('opens the path of a model.json', async () => {
    expect(await configOf(join(folder, 'model.json'))).to.deep.equal(TINY);
  });

  it('opens the URL of a model.json', async () => {
    const files = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]);
    await withServer(new Map(files as [string, Buffer][]), async (url) => {
      expect(await configOf(`${url}/model.json`)).to.deep.equal(TINY);
    });
  });

  it('for anything else says what there is', async () => {
    const other = join(folder, 'other.json');
    writeFileSync(other, '{}');
    for (const source of ['dall-e', other, join(folder, 'no', 'model.json'), '']) {
      const error = await rejection(openModel(source));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      const wanted = 'avatars-nano-stress, or the path or URL of a model.json';
      expect(error.message).to.include(`${wanted}, got ${source || 'nothing'}.`);
    }
  });
});
