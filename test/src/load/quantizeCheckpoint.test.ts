import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  AbortedError,
  calibrate,
  InvalidArgumentError,
  PRESETS,
  rewriteGraph,
} from '../../../src/index.js';
import {
  loadCheckpoint,
  type QuantizeCheckpointOptions,
  quantizeCheckpoint,
} from '../../../src/load.js';
import { checkpointFiles } from '../../../src/node.js';
import { publishedCase, publishedFolder } from '../../harness/models/published.js';
import { DISTINCT, PUBLISHED } from '../../harness/models/publishedCases.js';
import { rejection } from '../../harness/run/rejection.js';

const source = (name: string) => checkpointFiles(publishedFolder(name));

describe('quantizeCheckpoint', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  function outputOf(model: tf.GraphModel, name: string): ArrayLike<number> {
    const { inputs } = publishedCase(name);
    const output = model.predict(inputs) as tf.Tensor;
    const values = output.dataSync();
    tf.dispose([output, inputs]);
    return values;
  }

  for (const name of [...DISTINCT, 'facebookDit']) {
    const load = PUBLISHED[name]!;
    it(`${name}: what rewriteGraph makes of the whole model, to the bit`, async () => {
      const { numTensors } = tf.memory();
      const { options: preset } = PRESETS.W4A8;
      const options = { ...preset, method: 'hadamard', compare: false } as const;
      const whole = await loadCheckpoint(source(name), load);
      const expected = rewriteGraph(whole, options);
      const made = await quantizeCheckpoint(source(name), load);
      expect(outputOf(made.model, name)).to.deep.equal(outputOf(expected.model, name));
      expect(made.report).to.deep.equal(expected.report);
      expect(Object.keys(made.model.weights)).to.have.members(Object.keys(expected.model.weights));
      for (const model of [whole, expected.model, made.model]) model.dispose();
      expect(tf.memory().numTensors, 'tensors left').to.equal(numTensors);
    });
  }

  it('takes statistics of the checkpoint loaded whole, for methods that need them', async () => {
    const whole = await loadCheckpoint(source('dit'));
    const { inputs } = publishedCase('dit');
    const stats = await calibrate(whole, [inputs], { disposeBatches: true });
    const expected = rewriteGraph(whole, { ...PRESETS.W4A8.options, stats, compare: false });
    const made = await quantizeCheckpoint(source('dit'), { stats });
    expect(made.report).to.deep.equal(expected.report);
    expect(outputOf(made.model, 'dit')).to.deep.equal(outputOf(expected.model, 'dit'));
    for (const model of [whole, expected.model, made.model]) model.dispose();
  });

  it('packs what has come before it reads on', async () => {
    const seen: string[] = [];
    const { model } = await quantizeCheckpoint(source('dit'), {
      onProgress: ({ stage, name }) => seen.push(`${stage} ${name}`),
    });
    model.dispose();
    const packed = seen.indexOf('quantize transformer_blocks/0/ff/net/2/MatMul');
    const later = seen.indexOf('load transformer_blocks.1.attn1.to_k.weight');
    expect(packed).to.be.within(1, later - 1);
    expect(seen.filter((one) => one.startsWith('quantize'))).to.have.length(20);
  });

  it('leaves nothing behind when it is cancelled, or when options are wrong', async () => {
    const { numTensors } = tf.memory();
    const controller = new AbortController();
    const cancelled = quantizeCheckpoint(source('dit'), {
      signal: controller.signal,
      onProgress: ({ stage, done }) => {
        if (stage === 'quantize' && done === 3) controller.abort();
      },
    });
    expect(await rejection(cancelled)).to.be.instanceOf(AbortedError);
    const wrong: QuantizeCheckpointOptions[] = [
      { weights: { bits: 40 } },
      { method: 'hadanorm' },
      { preset: 'W1A1' } as unknown as QuantizeCheckpointOptions,
      { bits: 4 } as QuantizeCheckpointOptions,
    ];
    for (const options of wrong) {
      const error = await rejection(quantizeCheckpoint(source('dit'), options));
      expect(error, JSON.stringify(options)).to.be.instanceOf(InvalidArgumentError);
    }
    expect(tf.memory().numTensors).to.equal(numTensors);
  });
});
