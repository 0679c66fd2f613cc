import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { loadTrained } from '../../../../models/load.js';
import { drawPictures, flowBatches } from '../../../../models/research/pathologies/flowBatches.js';
import {
  type Kind,
  type ModelStatistics,
  observe,
} from '../../../../models/research/pathologies/observe.js';
import '../../../harness/backends/backends.js';
import { velocityOf } from '../../../harness/models/tinyDit.js';
import { expectWithin, maxMagnitude } from '../../../harness/numbers/compare.js';

const PICTURES = drawPictures(
  [
    [0, 0],
    [9, 0],
  ],
  32,
);

describe('Outliers of the stress variant', () => {
  before(() => tf.setBackend('wasm'));

  it('avatars-nano-stress is avatars-nano to 1e-6 of the largest, with outliers', async () => {
    const seen: { output: Float32Array; statistics: ModelStatistics }[] = [];
    for (const name of ['avatars-nano', 'avatars-nano-stress'] as const) {
      const model = await loadTrained(name);
      const [batch] = [...flowBatches(PICTURES, [0.5], 1)];
      const output = velocityOf(model, { ...batch! });
      const statistics = await observe(model, flowBatches(PICTURES, [0.5], 1));
      seen.push({ output, statistics });
      model.dispose();
    }
    const [plain, stress] = seen as [(typeof seen)[0], (typeof seen)[0]];
    expectWithin(stress.output, plain.output, 1e-6 * maxMagnitude(plain.output));
    const ratio = (kind: Kind, key: 'channelRatio' | 'kurtosis' | 'meanEnergy') => {
      const sum = ({ layers }: ModelStatistics) =>
        layers.reduce((total, { kind: k, all }) => total + (k === kind ? all[key] : 0), 0);
      return sum(stress.statistics) / sum(plain.statistics);
    };
    for (const kind of ['attn/qkv', 'attn/proj', 'mlp/fc1'] as const) {
      expect(ratio(kind, 'channelRatio'), kind).to.be.above(2);
      expect(ratio(kind, 'kurtosis'), kind).to.be.above(3);
    }
    for (const key of ['channelRatio', 'kurtosis', 'meanEnergy'] as const) {
      expect(ratio('mlp/fc2', key), key).to.be.closeTo(1, 1e-3);
    }
  });
});
