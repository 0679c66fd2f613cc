import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type CalibrationStats, calibrate, type Rule, rewriteGraph } from '../../../src/index.js';
import '../../harness/backends/backends.js';
import type { AttentionSpec } from '../../harness/graphs/attention.js';
import { loaded } from '../../harness/graphs/run.js';
import { transformer } from '../../harness/graphs/transformer.js';

describe('Linears of one site that rules treat apart', () => {
  let model: tf.GraphModel;
  let stats: CalibrationStats;

  before(async () => {
    await tf.setBackend('cpu');
    const attention: AttentionSpec = {
      ...{ heads: 1, joined: 'none', split: 'equal', scale: 'q', softmax: 'plain' },
      ...{ mask: false, qkNorm: false, rope: false },
    };
    const mlp = { form: 'plain', activation: 'erf', hidden: 24 } as const;
    const parts = { cross: null, parallel: false, linear: 'fused' } as const;
    const graph = transformer({
      ...{ d: 24, tokens: 5, norm: 'rsqrt', modulation: 'zero', caption: false, extras: false },
      ...{ seed: 3, blocks: [{ attention, mlp, ...parts }] },
    });
    model = await loaded(graph.artifacts);
    const batches = [graph.inputs(4, 5, 1), graph.inputs(4, 5, 2)];
    stats = await calibrate(model, batches, { disposeBatches: true });
  });
  after(() => model.dispose());

  function valuesWith(rules: readonly Rule[]) {
    const { model: small, report } = rewriteGraph(model, {
      ...{ stats, lowRank: 3, compare: false, rules },
    });
    small.dispose();
    return report.linears.find(({ role }) => role === 'attention.v')!;
  }

  it('leave the others their branch and their scale, whichever comes first', () => {
    const alone = valuesWith([]);
    expect(alone.parts).to.include({ branch: 'errors', lowRank: 3 });
    for (const role of ['attention.q', 'attention.k'] as const) {
      for (const bits of [8, null]) {
        const values = valuesWith([{ role, weights: { bits } }]);
        expect(values.parts, `${role} ${bits}`).to.include({ branch: 'errors', lowRank: 3 });
        const off = Math.abs(values.sqnr!.output - alone.sqnr!.output);
        expect(off, `${role} ${bits}, dB`).to.be.below(0.6);
      }
    }
  });
});
