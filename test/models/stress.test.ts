import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit, type DitConfig } from '../../models/builder/dit.js';
import { seededDitWeights } from '../../models/seeded.js';
import { type StressOptions, stressArtifacts } from '../../models/stress.js';
import { InvalidArgumentError } from '../../src/index.js';
import '../harness/backends/backends.js';
import {
  TINY,
  tinyArtifacts,
  tinyBatch,
  velocityOf,
  weightDataOf,
} from '../harness/models/tinyDit.js';
import { expectWithin, maxMagnitude } from '../harness/numbers/compare.js';

describe('Stress variant', () => {
  before(() => tf.setBackend('wasm'));

  it('a DiT gives the same output to 1e-6 of the largest, whatever the factors', async () => {
    const artifacts = tinyArtifacts({ depth: 3, linear: 'matMul' }, 4);
    const options = { valueFactor: 32, valueMean: -3, modulationFactor: 4, channels: 9, seed: 5 };
    const [exact, stressed] = await outputs(artifacts, stressArtifacts(artifacts, options));
    expectWithin(stressed, exact, 1e-6 * maxMagnitude(exact));
  });

  it('leaves the original as it is, chooses by the seed, and says that it is synthetic', () => {
    const artifacts = tinyArtifacts();
    const before = weightDataOf(artifacts).slice();
    const [one, same, other] = [1, 1, 2].map((seed) => stressArtifacts(artifacts, { seed }));
    expect(weightDataOf(artifacts)).to.deep.equal(before);
    expect(weightDataOf(one!)).to.deep.equal(weightDataOf(same!));
    expect(weightDataOf(one!)).not.to.deep.equal(weightDataOf(other!));
    expect(one!.userDefinedMetadata?.stress).to.deep.equal({
      ...{ synthetic: true, valueFactor: 16, valueMean: 2, modulationFactor: 8 },
      ...{ channels: 6, seed: 1 },
    });
    expect(one!.userDefinedMetadata?.dit).to.deep.equal(TINY);
  });

  it('a wrong option, or another model, gets a typed error', () => {
    const wrong: readonly (readonly [StressOptions, string])[] = [
      [{ valueFactor: 0 }, 'valueFactor must be a number > 0, got 0.'],
      [{ valueMean: Number.NaN }, 'valueMean must be a finite number, got NaN.'],
      [{ modulationFactor: -1 }, 'modulationFactor must be a number > 0, got -1.'],
      [{ channels: 33 }, 'channels must be an integer in [1, 32], got 33.'],
      [{ seed: 0.5 }, 'seed must be an integer in [0, 2^32), got 0.5.'],
      [{ factor: 2 } as StressOptions, 'options must be among valueFactor'],
    ];
    for (const [options, message] of wrong) {
      expect(() => stressArtifacts(tinyArtifacts(), options)).to.throw(
        InvalidArgumentError,
        message,
      );
    }
    const separate: DitConfig = { ...TINY, attention: 'separate' };
    const apart = buildDit(separate, seededDitWeights(separate, 1));
    expect(() => stressArtifacts(apart)).to.throw(InvalidArgumentError, "attention 'fusedQkv'");
    const { userDefinedMetadata: _, ...bare } = tinyArtifacts();
    expect(() => stressArtifacts(bare)).to.throw(InvalidArgumentError, 'userDefinedMetadata.dit');
  });
});

async function outputs(...models: readonly tf.io.ModelArtifacts[]) {
  const all: Float32Array[] = [];
  for (const artifacts of models) {
    const model = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
    all.push(velocityOf(model, tinyBatch(1)));
    model.dispose();
  }
  return all as [Float32Array, Float32Array];
}
