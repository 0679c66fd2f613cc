import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  InvalidArgumentError,
  type RewriteOptions,
  rewriteGraph,
  rewriteGraphAsync,
} from '../../../src/index.js';
import { tinyDit, tinyStats } from '../../harness/models/tinyDit.js';
import { expectNoLeak } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

/** Wrong options and the name that the error should give. */
const WRONG: readonly (readonly [string, unknown])[] = [
  ['options', null],
  ['options', []],
  ['options', 'hadanorm'],
  ['options', { bits: 4 }],
  ['options', { signal: null }],
  ['method', { method: 'quarot' }],
  ['method', { method: null }],
  ['stats', { stats: null }],
  ['stats', { stats: { sites: new Map() } }],
  ['center', { center: true }],
  ['scale', { scale: 'max' }],
  ['meanRank', { meanRank: 65 }],
  ['meanRank', { meanRank: -1 }],
  ['meanRank', { meanRank: 1.5 }],
  ['alpha', { alpha: 1.1 }],
  ['alpha', { alpha: Number.NaN }],
  ['alpha', { alpha: '0.5' }],
  ['rotate', { rotate: 'yes' }],
  ['signs', { signs: 1 }],
  ['lowRank', { lowRank: -1 }],
  ['lowRank', { lowRank: 2000 }],
  ['ranks', { ranks: 16 }],
  ['ranks[1]', { ranks: [16, 0] }],
  ['blockSize', { blockSize: 0 }],
  ['seed', { seed: -1 }],
  ['seed', { seed: 2 ** 32 }],
  ['seed', { seed: 0.5 }],
  ['compare', { compare: 'all' }],
  ['weights', { weights: null }],
  ['weights', { weights: { bit: 4 } }],
  ['weights.bits', { weights: { bits: 1 } }],
  ['weights.bits', { weights: { bits: 9 } }],
  ['weights.bits', { weights: { bits: 4.5 } }],
  ['weights.bits', { weights: { bits: '4' } }],
  ['weights.granularity', { weights: { granularity: 'perTensor' } }],
  ['weights.groupSize', { weights: { groupSize: 0 } }],
  ['weights.clipping', { weights: { clipping: true } }],
  ['weights.rounding', { weights: { rounding: 'up' } }],
  ['activations', { activations: 8 }],
  ['activations.bits', { activations: { bits: 16 } }],
  ['activations.symmetric', { activations: { symmetric: 'no' } }],
  ['activations.granularity', { activations: { granularity: 'perChannel' } }],
  ['activations.groupSize', { activations: { groupSize: 1.5 } }],
  ['activations.range', { activations: { range: 'fixed' } }],
  ['activations.granularity', { activations: { range: 'static', granularity: 'perToken' } }],
  ['weightOnly', { weightOnly: true }],
  ['weightOnly.bits', { weightOnly: { bits: 12 } }],
  ['rules', { rules: {} }],
  ['rules[0]', { rules: [null] }],
  ['rules[0]', { rules: new Array(1) }],
  ['rules[0]', { rules: [{ bits: 4 }] }],
  ['rules[1].role', { rules: [{}, { role: 'attn' }] }],
  ['rules[0].match', { rules: [{ match: 3 }] }],
  ['rules[0].treatment', { rules: [{ treatment: 'none' }] }],
  ['rules[0].method', { rules: [{ method: 'gptq' }] }],
  ['rules[0].weights.bits', { rules: [{ weights: { bits: 0 } }] }],
  ['rules[0].activations.range', { rules: [{ activations: { range: 1 } }] }],
];

describe('A wrong option of rewriteGraph', () => {
  let model: tf.GraphModel;
  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ hiddenSize: 16 });
  });
  after(() => model.dispose());

  for (const [argument, options] of WRONG) {
    it(`is named: ${argument} in ${JSON.stringify(options)}`, async () => {
      let error: unknown;
      expectNoLeak(() => {
        try {
          rewriteGraph(model, options as RewriteOptions);
        } catch (thrown) {
          error = thrown;
        }
      });
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect((error as InvalidArgumentError).argument).to.equal(argument);
    });
  }

  it('is named by rewriteGraphAsync too', async () => {
    for (const options of [{ lowRank: -1 }, { nothing: 1 }] as RewriteOptions[]) {
      const error = await rejection(rewriteGraphAsync(model, options));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.include('rewriteGraphAsync: ');
    }
    const none = await rejection(rewriteGraphAsync(model, null as never));
    expect(none).to.be.instanceOf(InvalidArgumentError);
  });

  it('put together by rules is named too: a static range of what is not one tensor', async () => {
    const stats = await tinyStats(model);
    const cases: RewriteOptions[] = [
      { activations: { granularity: 'perToken' }, rules: [{ activations: { range: 'static' } }] },
      { activations: { range: 'static' }, rules: [{ activations: { granularity: 'perGroup' } }] },
    ];
    for (const options of cases) {
      expectNoLeak(() => {
        expect(() => rewriteGraph(model, { ...options, stats })).to.throw(
          InvalidArgumentError,
          "activations.granularity must be 'perTensor'",
        );
      });
    }
  });
});
